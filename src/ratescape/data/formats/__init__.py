"""Files, folders and arrays -> images, labels and targets in one form. No network, and nothing is ever unpickled.

Whatever the source, pixels become uint8 ``[N, C, H, W]``, vectors float64 ``[N, D]``,
labels int64 ``[N]`` in 0..M-1 and targets float64
``[N, T]``. Binary data keep their grey values here; they are thresholded where batches are made. A file that is not
exactly what it should be raises one :class:`DataError` that names it and the remedy.

Each family of formats has one file; ``paths`` holds the table of them.
"""

from ratescape.data.formats.arrays import Arrays as Arrays
from ratescape.data.formats.arrays import from_arrays as from_arrays
from ratescape.data.formats.image_set import Columns as Columns
from ratescape.data.formats.image_set import ImageSet as ImageSet
from ratescape.data.formats.image_set import Split as Split
from ratescape.data.formats.paths import read_path as read_path
