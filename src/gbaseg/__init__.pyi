"""What `gbaseg` gives when it is asked for it: see `__init__.py`."""

from gbaseg.inference import Model as Model
from gbaseg.inference import Segmentation as Segmentation
from gbaseg.inference import predict as predict

__version__: str
