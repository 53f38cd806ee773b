"""What tests of several formats share."""

import pytest

from gbaseg.integrity import read_checked
from gbaseg.volume import BadImage, read


@pytest.fixture
def fault():
    """What is found wrong with a file, the one fault of it; `read` refuses it by its name."""

    def found(path):
        volume, flaws = read_checked(path)
        assert volume is None and len(flaws) == 1
        with pytest.raises(BadImage, match=path.name):
            read(path)
        return flaws[0].found

    return found
