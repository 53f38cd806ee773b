"""python -m gbaseg.cli"""

from gbaseg.cli import main

main()
