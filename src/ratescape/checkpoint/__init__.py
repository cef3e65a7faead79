"""Weights and training states on disk: safetensors with a JSON header; nothing is ever unpickled.

``files`` reads and writes tensors with a header; ``models`` reads and writes networks that are ready to use.
"""

from ratescape.checkpoint.files import digest_of as digest_of
from ratescape.checkpoint.files import header_of as header_of
from ratescape.checkpoint.files import load as load
from ratescape.checkpoint.files import refuse_cut_off as refuse_cut_off
from ratescape.checkpoint.files import save as save
from ratescape.checkpoint.models import from_bytes as from_bytes
from ratescape.checkpoint.models import load_model as load_model
from ratescape.checkpoint.models import load_network as load_network
from ratescape.checkpoint.models import named as named
from ratescape.checkpoint.models import save_alone as save_alone
from ratescape.checkpoint.models import save_model as save_model
from ratescape.checkpoint.models import save_network as save_network
from ratescape.checkpoint.models import save_of_landscape as save_of_landscape
from ratescape.checkpoint.models import to_bytes as to_bytes
