"""The one channel of observation: what trainings tell, and what observers see of it.

Work tells JSON-able messages, wherever it is done. They reach a :class:`Tracker` directly in this process, through a
file from a worker process, and through an actor from a Ray task. The tracker turns them into what observers see.
"""

from ratescape.execution.progress.messages import Message as Message
from ratescape.execution.progress.messages import Reporter as Reporter
from ratescape.execution.progress.messages import Tell as Tell
from ratescape.execution.progress.notes import Notes as Notes
from ratescape.execution.progress.notes import followed as followed
from ratescape.execution.progress.observers import Epoch as Epoch
from ratescape.execution.progress.observers import Observer as Observer
from ratescape.execution.progress.observers import Phase as Phase
from ratescape.execution.progress.observers import Picture as Picture
from ratescape.execution.progress.observers import Progress as Progress
from ratescape.execution.progress.observers import Restart as Restart
from ratescape.execution.progress.observers import Silent as Silent
from ratescape.execution.progress.tracker import Plan as Plan
from ratescape.execution.progress.tracker import Tracker as Tracker
