"""A made-up data set in CrossMoDA 2022's layout: heads with one vestibular schwannoma, on ceT1 and on hrT2.

It exists to try the pipeline without a download, and to show what cross-modal adaptation is for. A patient's
anatomy (`anatomy`, `tumour`) does not depend on the modality; `imaging` turns tissues into one scanner's image.
"""
