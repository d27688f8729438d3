#!/usr/bin/env python3
"""An evening with a movie, in DoJobber's classes: run as they stand, with or without a script around them.

    sendoff graph run examples/dojobber/movie.py:WatchMovie --input movie=Brazil --input battery=charged --input couch=free -v
    sendoff graph exec -- python3 examples/dojobber/movie.py --battery charged --couch free -v
    pip install dojobber setuptools && python3 examples/dojobber/movie.py --battery charged --couch free -v

How the evening goes is decided by the keyword arguments: movie, battery (charged or
dead), couch (free or taken), and from which attempt on the bowl, the popcorn and the
pizza are ready.
"""
import argparse
import sys

from dojobber import DoJobber, DummyJob, Job, RunonlyJob


class ValidateMovie(Job):
    def Check(self, *_args, movie='Brazil', **_kwargs):
        if movie == 'Zardoz':
            raise ValueError('anything but Zardoz')


class Remembers(Job):
    """Done when it was done in this very attempt: a new attempt knows nothing of the one before."""

    def Check(self, *_args, **_kwargs):
        if not self.storage.get('done'):
            raise RuntimeError('not done yet')

    def Run(self, *_args, **_kwargs):
        self.storage['done'] = True


class PickTimeAndDate(Remembers):
    pass


class DetermineDetails(DummyJob):
    DEPS = (ValidateMovie, PickTimeAndDate)


class SendInvite(Job):
    """One for each friend is made below."""

    DEPS = (DetermineDetails,)
    EMAIL = None

    def Check(self, *_args, **_kwargs):
        if self.EMAIL not in self.global_storage.setdefault('invited', []):
            raise RuntimeError(self.EMAIL + ' was not asked')

    def Run(self, *_args, **_kwargs):
        self.global_storage['invited'].append(self.EMAIL)


class InviteFriends(DummyJob):
    DEPS = [DetermineDetails]


class FriendsArrive(DummyJob):
    DEPS = (InviteFriends,)


class CleanCouch(Remembers):
    def Cleanup(self):
        self.storage.clear()


class FluffPillows(RunonlyJob):
    def Run(self, *_args, **_kwargs):
        return 'fluffy'


class PrepareRoom(DummyJob):
    DEPS = (CleanCouch, FluffPillows)


class FindTVRemote(Job):
    def Check(self, *_args, **_kwargs):
        pass


class TurnOnTV(Job):
    DEPS = (FindTVRemote,)

    def Check(self, *_args, **kwargs):
        if kwargs['battery'] == 'dead':
            raise RuntimeError('Remote batteries are dead.')

    def Run(self, *_args, **_kwargs):
        pass


class InsertDVD(Job):
    DEPS = (ValidateMovie,)

    def Check(self, *_args, **_kwargs):
        pass


class SitOnCouch(Job):
    DEPS = (PrepareRoom,)

    def Check(self, *_args, couch='taken', **_kwargs):
        if couch != 'free':
            raise RuntimeError('No space on couch.')

    def Run(self, *_args, **_kwargs):
        pass


class TakesTime(Job):
    """Ready from some attempt on."""

    KNOB, USUAL, EXCUSE = None, 1, None

    def Check(self, *_args, **kwargs):
        tried = self.global_storage.setdefault('tried', {})
        if tried.get(self.KNOB, 0) < int(kwargs.get(self.KNOB) or self.USUAL):
            raise RuntimeError(self.EXCUSE)

    def Run(self, *_args, **_kwargs):
        tried = self.global_storage['tried']
        tried[self.KNOB] = tried.get(self.KNOB, 0) + 1


class PopcornBowl(TakesTime):
    TRIES = 8
    KNOB, USUAL, EXCUSE = 'bowl_ready', 8, 'Dishwasher cycle not done yet.'


class Popcorn(TakesTime):
    DEPS = (PopcornBowl,)
    TRIES = 5
    KNOB, USUAL, EXCUSE = 'popcorn_ready', 5, 'Still popping...'


class Pizza(RunonlyJob):
    def Run(self, *_args, **kwargs):
        calls = self.global_storage['pizza'] = self.global_storage.get('pizza', 0) + 1
        if calls < int(kwargs.get('pizza_ready') or 3):
            raise RuntimeError("Giordano's did not arrive yet.")


class Food(DummyJob):
    DEPS = (Popcorn, Pizza)


class StartMovie(DummyJob):
    DEPS = (FriendsArrive, PrepareRoom, TurnOnTV, InsertDVD, SitOnCouch, Food)


class WatchMovie(DummyJob):
    DEPS = (StartMovie,)


def invite(name, email):
    """Add a job that the classes above do not know."""
    InviteFriends.DEPS.append(type('Invite ' + name, (SendInvite,), {'EMAIL': email}))


invite('Wendell Bagg', 'bagg@example.com')
invite('Lawyer Cat', 'lawyercat@example.com')


def main():
    options = argparse.ArgumentParser(description='Watch a movie.')
    options.add_argument('--movie', default='Brazil')
    options.add_argument('--battery', choices=['charged', 'dead'], default='dead')
    options.add_argument('--couch', choices=['free', 'taken'], default='taken')
    for knob in ('bowl_ready', 'popcorn_ready', 'pizza_ready'):
        options.add_argument('--' + knob.replace('_', '-'), type=int, metavar='ATTEMPT')
    options.add_argument('-n', '--no-act', action='store_true')
    options.add_argument('-v', '--verbose', action='store_true')
    options.add_argument('-d', '--debug', action='store_true')
    options.add_argument('--png', help='a file for a picture of how it went')
    given = options.parse_args()

    evening = DoJobber()
    evening.configure(WatchMovie, no_act=given.no_act, verbose=given.verbose, debug=given.debug, default_retry_delay=0)
    evening.set_args(**vars(given))
    evening.checknrun()
    if given.png:
        with open(given.png, 'wb') as picture:
            evening.write_graph(picture)
    for name, status in evening.nodestatus.items():
        print(name + ':', {True: 'done', False: evening.nodeexceptions.get(name), None: 'not tried'}[status])
    return 0 if evening.success() else 1


if __name__ == '__main__':
    sys.exit(main())
