package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// evening is how things are, and how they go, on the evening of the film.
type evening struct {
	movie   string
	battery string // of the remote control: full or dead
	couch   string // free or taken
	guests  string // with commas between them

	bowlTry, popcornTry, pizzaTry int // the attempt that works
}

func (e *evening) flags(f *flag.FlagSet) {
	f.StringVar(&e.movie, "movie", "Brazil", "what is watched; Zardoz is not")
	f.StringVar(&e.battery, "battery", "full", "of the remote control: full or dead")
	f.StringVar(&e.couch, "couch", "free", "free or taken")
	f.StringVar(&e.guests, "guests", "Wendell Bagg,Lawyer Cat", "whom to invite, with commas between them")
	f.IntVar(&e.bowlTry, "bowl-try", 3, "the attempt at which the dishwasher is done; after 8 nobody looks any more")
	f.IntVar(&e.popcornTry, "popcorn-try", 2, "the attempt at which the popcorn has popped, of 5")
	f.IntVar(&e.pizzaTry, "pizza-try", 2, "the attempt at which the pizza is there, of 3")
}

func (e *evening) check() error {
	for _, knob := range []struct {
		name, value string
		want        []string
	}{{"battery", e.battery, []string{"full", "dead"}}, {"couch", e.couch, []string{"free", "taken"}}} {
		if !slices.Contains(knob.want, knob.value) {
			return fmt.Errorf("-%s %q: want %s", knob.name, knob.value, strings.Join(knob.want, " or "))
		}
	}
	return nil
}

// The errors of checks are reasons: what is not yet as it should be.
var (
	errReally  = errors.New("really?")
	errDead    = errors.New("the batteries of the remote are dead")
	errNoSpace = errors.New("no space on the couch")
	errDishes  = errors.New("the dishwasher is not done yet")
	errPops    = errors.New("it still pops")
	errNoPizza = errors.New("the pizza is not here yet")
	errNoDate  = errors.New("no date yet")
	errCrumbs  = errors.New("crumbs everywhere")
)

// goal is the film, with all that it stands on.
func (e *evening) goal() *jobgraph.Job {
	movie := &jobgraph.Job{Name: "ValidateMovie", Check: is(e.movie != "Zardoz", errReally)}
	date := e.pickTimeAndDate()
	details := jobgraph.Group("DetermineDetails", movie, date)
	friends := jobgraph.Group("InviteFriends", details)
	for guest := range strings.SplitSeq(e.guests, ",") { // as many jobs as there are guests
		friends.Deps = append(friends.Deps, e.invite(strings.TrimSpace(guest), details))
	}
	room := jobgraph.Group("PrepareRoom", jobgraph.Of("CleanCouch", cleanCouch{}), &jobgraph.Job{Name: "FluffPillows", Run: say("fluff, fluff")})
	remote := &jobgraph.Job{Name: "FindTVRemote", Check: is(true, nil)}
	tv := &jobgraph.Job{Name: "TurnOnTV", Check: is(e.battery == "full", errDead), Run: say("click"), Deps: []*jobgraph.Job{remote}}
	dvd := &jobgraph.Job{Name: "InsertDVD", Check: is(true, nil), Deps: []*jobgraph.Job{movie}}
	couch := &jobgraph.Job{Name: "SitOnCouch", Check: is(e.couch == "free", errNoSpace), Run: say("could you move a little?"), Deps: []*jobgraph.Job{room}}
	start := jobgraph.Group("StartMovie", jobgraph.Group("FriendsArrive", friends), room, tv, dvd, couch, e.food())
	return jobgraph.Group("WatchMovie", start)
}

// pickTimeAndDate leaves the day as its result, for the invitations.
func (e *evening) pickTimeAndDate() *jobgraph.Job {
	return &jobgraph.Job{
		Name: "PickTimeAndDate",
		Check: func(_ context.Context, a *jobgraph.Attempt) error {
			day, ok := a.Shared.Get("day")
			if !ok {
				return errNoDate
			}
			a.SetResult(day)
			return nil
		},
		Run: func(_ context.Context, a *jobgraph.Attempt) error {
			a.Shared.Set("day", "Friday")
			return nil
		},
	}
}

// invite writes to a guest. It has no Check: who is invited twice comes once.
func (e *evening) invite(guest string, details *jobgraph.Job) *jobgraph.Job {
	return &jobgraph.Job{
		Name: "Invite " + guest, Deps: []*jobgraph.Job{details},
		Run: func(_ context.Context, a *jobgraph.Attempt) error {
			day, _ := a.Shared.Get("day")
			fmt.Fprintf(a.Log(), "Dear %s, we watch %s on %v.\n", guest, e.movie, day)
			return nil
		},
	}
}

// food is ready when both are. Each try of a job is another look.
func (e *evening) food() *jobgraph.Job {
	bowl := &jobgraph.Job{Name: "PopcornBowl", Tries: 8, Check: lookedAt(e.bowlTry, errDishes), Run: look, Cleanup: say("wash the bowl")}
	popcorn := &jobgraph.Job{Name: "Popcorn", Tries: 5, Check: lookedAt(e.popcornTry, errPops), Run: look, Deps: []*jobgraph.Job{bowl}}
	pizza := &jobgraph.Job{Name: "Pizza", Cleanup: say("fold the box"), Run: func(_ context.Context, a *jobgraph.Attempt) error {
		if a.Number < e.pizzaTry {
			return errNoPizza
		}
		return nil
	}}
	return jobgraph.Group("Food", popcorn, pizza)
}

// cleanCouch is a job as a type: its field lasts from one call of an attempt to the next.
type cleanCouch struct{ clean bool }

func (c *cleanCouch) Check(context.Context, *jobgraph.Attempt) error {
	if !c.clean {
		return errCrumbs
	}
	return nil
}

func (c *cleanCouch) Run(ctx context.Context, _ *jobgraph.Attempt) error {
	c.clean = true
	return ctx.Err() // it would take a while
}

// is passes when something is so, and otherwise says what is not.
func is(so bool, reason error) jobgraph.Func {
	return func(context.Context, *jobgraph.Attempt) error {
		if so {
			return nil
		}
		return reason
	}
}

// lookedAt passes at the recheck of an attempt, and of all later ones.
func lookedAt(attempt int, reason error) jobgraph.Func {
	return func(_ context.Context, a *jobgraph.Attempt) error {
		if a.Local["looked"] == nil || a.Number < attempt {
			return reason
		}
		return nil
	}
}

func look(_ context.Context, a *jobgraph.Attempt) error {
	a.Local["looked"] = true
	return nil
}

func say(words string) jobgraph.Func {
	return func(_ context.Context, a *jobgraph.Attempt) error {
		fmt.Fprintln(a.Log(), words)
		return nil
	}
}
