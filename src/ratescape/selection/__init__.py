"""Which model of a landscape fits a use: pure choice over the table, no model is ever loaded.

Models are chosen by the plain columns of the table (measured on validation) and reported by its ``test_``
columns; under the paper's protocol there is only test, and the choice says so.
"""

from ratescape.selection.candidates import Candidate as Candidate
from ratescape.selection.candidates import layer_name as layer_name
from ratescape.selection.choice import Choice as Choice
from ratescape.selection.choice import best as best
from ratescape.selection.collapse import collapse_warnings as collapse_warnings
from ratescape.selection.collapse import collapsed_layers as collapsed_layers
from ratescape.selection.demands import meets as meets
from ratescape.selection.errors import difference_error as difference_error
from ratescape.selection.errors import standard_errors as standard_errors
from ratescape.selection.hull import hull_of as hull_of
from ratescape.selection.hull import upper_hull as upper_hull
from ratescape.selection.rows import beta_vaes as beta_vaes
from ratescape.selection.rows import betas_of as betas_of
from ratescape.selection.rows import betas_text as betas_text
from ratescape.selection.rows import finished as finished
from ratescape.selection.rows import measured as measured
from ratescape.selection.rows import plain_vaes as plain_vaes
from ratescape.selection.told import deciding_score as deciding_score
from ratescape.selection.uses import metric_for as metric_for
from ratescape.selection.uses import metrics_for as metrics_for
