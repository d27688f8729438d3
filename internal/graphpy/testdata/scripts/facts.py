"""What the tests of DoJobber itself hold it to, each as a fact of its own."""
import io
import os
import sys

from check import check, raises, run_all

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), *['..'] * 4, 'examples', 'dojobber'))
import movie  # noqa: E402
from dojobber import DoJobber, DummyJob, Job, RunonlyJob  # noqa: E402

ALL = {'ValidateMovie', 'PickTimeAndDate', 'DetermineDetails', 'Invite Wendell Bagg', 'Invite Lawyer Cat', 'InviteFriends',
       'FriendsArrive', 'CleanCouch', 'FluffPillows', 'PrepareRoom', 'FindTVRemote', 'TurnOnTV', 'InsertDVD', 'SitOnCouch',
       'PopcornBowl', 'Popcorn', 'Pizza', 'Food', 'StartMovie', 'WatchMovie'}


def evening(target=None, no_act=False, **knobs):
    made = DoJobber()
    made.configure(movie.WatchMovie, default_retry_delay=0, no_act=no_act)
    made.set_args(**knobs)
    made.checknrun(target)
    return made


def states(made):
    """Return the failed and the blocked jobs; the others are done."""
    check(set(made.nodestatus), ALL)
    return ({n for n, s in made.nodestatus.items() if s is False}, {n for n, s in made.nodestatus.items() if s is None})


def a_usual_evening_fails_at_the_set_and_the_couch():
    made = evening(battery='dead')
    check(states(made), ({'TurnOnTV', 'SitOnCouch'}, {'StartMovie', 'WatchMovie'}))
    check(str(made.nodeexceptions['TurnOnTV']), 'Remote batteries are dead.')
    check((made.success(), made.partial_success(), made.failure()), (False, True, True))


def a_good_evening_is_reached():
    made = evening(battery='charged', couch='free')
    check(states(made), (set(), set()))
    check((made.success(), made.partial_success(), made.failure()), (True, True, False))


def tries_run_out_one_attempt_early():
    good = {'battery': 'charged', 'couch': 'free'}
    check(states(evening(bowl_ready='9', **good)), ({'PopcornBowl'}, {'Popcorn', 'Food', 'StartMovie', 'WatchMovie'}))
    check(states(evening(popcorn_ready='6', **good)), ({'Popcorn'}, {'Food', 'StartMovie', 'WatchMovie'}))
    check(states(evening(popcorn_ready='6', pizza_ready='4', **good)), ({'Popcorn', 'Pizza'}, {'Food', 'StartMovie', 'WatchMovie'}))


def a_missing_argument_is_a_failed_check():
    made = evening()
    check(states(made), ({'TurnOnTV', 'SitOnCouch'}, {'StartMovie', 'WatchMovie'}))
    check(type(made.nodeexceptions['TurnOnTV']), KeyError)


def a_plan_stops_at_what_would_run():
    made = evening(battery='dead', no_act=True)
    failed, blocked = states(made)
    check(failed, {'PickTimeAndDate', 'CleanCouch', 'FluffPillows', 'TurnOnTV', 'PopcornBowl', 'Pizza'})
    check(ALL - failed - blocked, {'ValidateMovie', 'FindTVRemote', 'InsertDVD'})


def what_only_runs_has_the_value_of_its_run():
    class Once(RunonlyJob):
        def Run(self):
            return {'a lock': io}  # nothing that JSON could hold

    made = DoJobber()
    made.configure(Once)
    made.checknrun()
    check(made.noderesults['Once'], {'a lock': io})


def what_only_runs_fails_with_what_its_run_raised():
    raised = LookupError('no such thing')

    class Once(RunonlyJob):
        TRIES = 1

        def Run(self):
            raise raised

    made = DoJobber()
    made.configure(Once)
    made.checknrun()
    check(made.nodestatus, {'Once': False})
    check(made.nodeexceptions['Once'] is raised, True)


def what_only_runs_fails_when_only_asked():
    class Once(RunonlyJob):
        def Run(self):
            raise AssertionError('called')

    made = DoJobber()
    made.configure(Once, no_act=True)
    made.checknrun()
    check(made.nodestatus, {'Once': False})
    check(str(made.nodeexceptions['Once']), 'Runonly node check intentionally fails first time.')


def cleanups_are_called_or_left():
    cleaned = []

    class Leaves(RunonlyJob):
        def Run(self):
            pass

        def Cleanup(self):
            cleaned.append(type(self).__name__)

    class Above(Leaves):
        DEPS = (Leaves,)

    made = DoJobber()
    made.configure(Above)
    made.checknrun()
    check(cleaned, ['Above', 'Leaves'])
    made.configure(Above, cleanup=False)
    made.checknrun()
    check(len(cleaned), 2)
    made.cleanup()
    check(cleaned, ['Above', 'Leaves'] * 2)
    made.cleanup()
    check(len(cleaned), 4, 'nothing is cleaned twice')


def success_is_about_what_was_asked_for():
    made = DoJobber()
    made.configure(movie.WatchMovie, default_retry_delay=0)
    check((made.success(), made.partial_success(), made.failure()), (False, False, True))
    made.set_args(battery='dead')
    made.checknrun(movie.PrepareRoom)
    check((made.success(), made.partial_success()), (True, True))
    check(set(made.nodestatus), {'CleanCouch', 'FluffPillows', 'PrepareRoom'})
    made.checknrun('TurnOnTV')
    check((made.success(), made.partial_success()), (False, True))
    raises(RuntimeError, 'no job "Nobody"', made.checknrun, 'Nobody')


def an_object_that_cannot_be_made_has_no_run():
    class Fine(DummyJob):
        pass

    class Broken(Job):
        def __init__(self):
            raise OSError('no room')

        def Run(self):
            raise AssertionError('called')

        Check = Cleanup = Run

    class Top(DummyJob):
        DEPS = (Fine, Broken)

    made = DoJobber()
    made.configure(Top, default_retry_delay=0)
    made.checknrun()
    check(made.nodestatus, {'Fine': True, 'Broken': False, 'Top': None})
    check(str(made.nodeexceptions['Broken']), 'no room')


run_all(globals())
