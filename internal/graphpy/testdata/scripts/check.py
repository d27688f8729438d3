"""How the scripts beside this one check facts, and count them."""
import traceback


def check(got, want, about=''):
    assert got == want, '{}\n  got  {!r}\n  want {!r}'.format(about, got, want)


def raises(kind, text, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as err:
        assert text in str(err), '{!r} has no {!r}'.format(str(err), text)
        return
    raise AssertionError('{} was not raised'.format(kind.__name__))


def run_all(names):
    """Call the functions of a script whose names are sentences: those of several words."""
    facts = [f for n, f in names.items() if '_' in n[1:-1] and n != 'run_all' and getattr(f, '__module__', '') == '__main__']
    broken = 0
    for fact in facts:
        try:
            fact()
        except (Exception, KeyboardInterrupt):
            broken += 1
            traceback.print_exc()
            print('BROKEN:', fact.__name__)
    print(len(facts), 'facts')
    raise SystemExit(broken > 0 or not facts)
