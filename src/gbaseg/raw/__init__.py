"""Where cases come from: CrossMoDA 2022 folders, a cases.csv, the phantom; and the checks on what comes in."""
