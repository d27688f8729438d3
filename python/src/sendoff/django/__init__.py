"""For Django: tasks that are submitted on commit, views that only the server may push to, settings and a command.

pip install sendoff[django], "sendoff.django" in INSTALLED_APPS, and SENDOFF = {...} in the settings.
"""

from sendoff.django._commit import submit_on_commit
from sendoff.django._views import pushed

__all__ = ["pushed", "submit_on_commit"]
