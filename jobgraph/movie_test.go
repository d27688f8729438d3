package jobgraph_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// night is how an evening goes: what the jobs of the film evening find.
type night struct {
	movie, battery   string
	couchFree        bool
	bowl, popcorn    int // the attempt that works
	pizza            int
	guests           []string
	calls            []string
	noMovie, noPower bool // nobody gave the input
}

func usual() *night {
	return &night{movie: "Brazil", battery: "dead", bowl: 8, popcorn: 5, pizza: 3, guests: []string{"Wendell Bagg", "Lawyer Cat"}}
}

// job is one whose Check fails with what missing returns, "" for nothing.
func (n *night) job(name string, missing func(a *jobgraph.Attempt) string, deps ...*jobgraph.Job) *jobgraph.Job {
	return &jobgraph.Job{
		Name: name, Deps: deps,
		Check: func(_ context.Context, a *jobgraph.Attempt) error {
			if text := missing(a); text != "" {
				return errors.New(text)
			}
			return nil
		},
		Run: func(_ context.Context, a *jobgraph.Attempt) error {
			a.Local["ran"] = true
			return nil
		},
	}
}

// unless says text until it is done by this attempt.
func unless(text string) func(*jobgraph.Attempt) string {
	return func(a *jobgraph.Attempt) string {
		if a.Local["ran"] == nil {
			return text
		}
		return ""
	}
}

// from is done by attempt number at, and no earlier one.
func from(at int, text string) func(*jobgraph.Attempt) string {
	return func(a *jobgraph.Attempt) string {
		if a.Local["ran"] == nil || a.Number < at {
			return text
		}
		return ""
	}
}

func when(bad bool, text string) func(*jobgraph.Attempt) string {
	return func(*jobgraph.Attempt) string {
		if bad {
			return text
		}
		return ""
	}
}

// goal makes the graph of the evening.
func (n *night) goal() *jobgraph.Job {
	movie := n.job("ValidateMovie", when(n.noMovie || n.movie == "Zardoz", "Really?"))
	date := n.job("PickTimeAndDate", unless("No date yet."))
	details := jobgraph.Group("DetermineDetails", movie, date)
	invite := jobgraph.Group("InviteFriends", details)
	for _, guest := range n.guests {
		invite.Deps = append(invite.Deps, n.job("Invite "+guest, unless("Not invited."), details))
	}
	couch := n.job("CleanCouch", unless("Crumbs."))
	pillows := &jobgraph.Job{Name: "FluffPillows", Run: func(context.Context, *jobgraph.Attempt) error { return nil }}
	room := jobgraph.Group("PrepareRoom", couch, pillows)
	tv := n.job("TurnOnTV", when(n.noPower || n.battery == "dead", "Remote batteries are dead."), n.job("FindTVRemote", when(false, "")))
	dvd := n.job("InsertDVD", when(false, ""), movie)
	sit := n.job("SitOnCouch", when(!n.couchFree, "No space on couch."), room)
	bowl := n.job("PopcornBowl", from(n.bowl, "Dishwasher cycle not done yet."))
	bowl.Tries = 8
	popcorn := n.job("Popcorn", from(n.popcorn, "Still popping..."), bowl)
	popcorn.Tries = 5
	pizza := &jobgraph.Job{Name: "Pizza", Run: func(_ context.Context, a *jobgraph.Attempt) error {
		if a.Number < n.pizza {
			return errors.New("Giordano's did not arrive yet.") //nolint:revive // as a person says it
		}
		return nil
	}}
	food := jobgraph.Group("Food", popcorn, pizza)
	start := jobgraph.Group("StartMovie", jobgraph.Group("FriendsArrive", invite), room, tv, dvd, sit, food)
	return jobgraph.Group("WatchMovie", start)
}

// watch runs the evening, one job at a time and with no delays unless cfg says so.
func (n *night) watch(t *testing.T, cfg jobgraph.Config) *jobgraph.Result {
	t.Helper()
	if cfg.RetryDelay == nil {
		cfg.RetryDelay = new(time.Duration)
	}
	cfg.Observe = func(e jobgraph.Event) {
		if e.Kind == jobgraph.CallEnded {
			n.calls = append(n.calls, fmt.Sprintf("%s.%s:%v", e.Job, e.Call, e.Err == nil))
		}
	}
	res, err := jobgraph.Run(t.Context(), n.goal(), cfg)
	require.NoError(t, err)
	return res
}

// ends gives each job's end in a few letters, as in the table below.
func ends(res *jobgraph.Result) map[string]string {
	out := map[string]string{}
	for _, j := range res.Jobs {
		switch {
		case j.State == jobgraph.Succeeded && j.How == jobgraph.InPlace:
			out[j.Name] = fmt.Sprintf("in place, %d", j.Attempts)
		case j.State == jobgraph.Succeeded:
			out[j.Name] = fmt.Sprintf("achieved, %d", j.Attempts)
		default:
			out[j.Name] = fmt.Sprintf("%s, %d", j.State, j.Attempts)
		}
	}
	return out
}

// TestFilmEvening: what DoJobber's own example ends in, seven ways it can go.
func TestFilmEvening(t *testing.T) {
	const inPlace, achieved, failed, blocked = "in place, 1", "achieved, 1", "failed, 3", "blocked, 0"
	common := map[string]string{
		"ValidateMovie": inPlace, "PickTimeAndDate": achieved, "DetermineDetails": inPlace, "Invite Wendell Bagg": achieved,
		"Invite Lawyer Cat": achieved, "InviteFriends": inPlace, "FriendsArrive": inPlace, "CleanCouch": achieved,
		"FluffPillows": achieved, "PrepareRoom": inPlace, "FindTVRemote": inPlace, "TurnOnTV": failed, "InsertDVD": inPlace,
		"SitOnCouch": failed, "PopcornBowl": "achieved, 8", "Popcorn": "achieved, 5", "Pizza": "achieved, 3", "Food": inPlace,
		"StartMovie": blocked, "WatchMovie": blocked,
	}
	for name, c := range map[string]struct {
		change  func(*night)
		cfg     jobgraph.Config
		other   map[string]string
		passes  int
		reached bool
	}{
		"default": {passes: 12},
		"all good": {
			change: func(n *night) { n.battery, n.couchFree = "full", true },
			other:  map[string]string{"TurnOnTV": inPlace, "SitOnCouch": inPlace, "StartMovie": inPlace, "WatchMovie": inPlace},
			passes: 12, reached: true,
		},
		"the bowl needs nine": {
			change: func(n *night) { n.bowl = 9 },
			other:  map[string]string{"PopcornBowl": "failed, 8", "Popcorn": blocked, "Food": blocked}, passes: 8,
		},
		"the popcorn needs six": {
			change: func(n *night) { n.popcorn = 6 }, other: map[string]string{"Popcorn": "failed, 5", "Food": blocked}, passes: 12,
		},
		"pizza four, popcorn six": {
			change: func(n *night) { n.pizza, n.popcorn = 4, 6 },
			other:  map[string]string{"Popcorn": "failed, 5", "Pizza": failed, "Food": blocked}, passes: 12,
		},
		"no inputs": {
			change: func(n *night) { n.noMovie, n.noPower = true, true },
			other: map[string]string{
				"ValidateMovie": failed, "DetermineDetails": blocked, "Invite Wendell Bagg": blocked, "Invite Lawyer Cat": blocked,
				"InviteFriends": blocked, "FriendsArrive": blocked, "InsertDVD": blocked,
			}, passes: 12,
		},
		"only asked": {
			cfg: jobgraph.Config{NoAct: true},
			other: map[string]string{
				"PickTimeAndDate": "failed, 1", "DetermineDetails": blocked, "Invite Wendell Bagg": blocked, "Invite Lawyer Cat": blocked,
				"InviteFriends": blocked, "FriendsArrive": blocked, "CleanCouch": "failed, 1", "FluffPillows": "failed, 1",
				"PrepareRoom": blocked, "TurnOnTV": "failed, 1", "SitOnCouch": blocked, "PopcornBowl": "failed, 1",
				"Popcorn": blocked, "Pizza": "failed, 1", "Food": blocked,
			}, passes: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := usual()
			if c.change != nil {
				c.change(n)
			}
			res := n.watch(t, c.cfg)
			want := map[string]string{}
			for job, end := range common {
				want[job] = end
			}
			for job, end := range c.other {
				want[job] = end
			}
			require.Equal(t, want, ends(res))
			require.Equal(t, c.passes, res.Passes)
			require.Equal(t, c.reached, res.Reached)
			require.True(t, res.Partial)
			if !c.reached {
				require.ErrorContains(t, res.Err(), `goal "WatchMovie" was not reached`)
			}
		})
	}
}

// TestOrderOfOneAtATime is DoJobber's: by pass and place.
func TestOrderOfOneAtATime(t *testing.T) {
	n := usual()
	n.watch(t, jobgraph.Config{})
	var want []string
	say := func(job string, calls ...string) {
		for _, c := range calls {
			want = append(want, job+"."+c)
		}
	}
	achieved := []string{"check:false", "run:true", "recheck:true"}
	missed := []string{"check:false", "run:true", "recheck:false"}
	say("ValidateMovie", "check:true")
	say("PickTimeAndDate", achieved...)
	say("DetermineDetails", "check:true")
	say("Invite Wendell Bagg", achieved...)
	say("Invite Lawyer Cat", achieved...)
	say("InviteFriends", "check:true")
	say("FriendsArrive", "check:true")
	say("CleanCouch", achieved...)
	say("FluffPillows", achieved...)
	say("PrepareRoom", "check:true")
	say("FindTVRemote", "check:true")
	say("TurnOnTV", missed...)
	say("InsertDVD", "check:true")
	say("SitOnCouch", missed...)
	say("PopcornBowl", missed...)
	say("Pizza", "check:false", "run:false", "recheck:false")
	for pass := 1; pass <= 2; pass++ {
		say("TurnOnTV", missed...)
		say("SitOnCouch", missed...)
		say("PopcornBowl", missed...)
		if pass == 1 {
			say("Pizza", "check:false", "run:false", "recheck:false")
		} else {
			say("Pizza", achieved...)
		}
	}
	for range 4 { // passes 3 to 6
		say("PopcornBowl", missed...)
	}
	say("PopcornBowl", achieved...)
	for range 4 {
		say("Popcorn", missed...)
	}
	say("Popcorn", achieved...)
	say("Food", "check:true")
	require.Equal(t, want, n.calls)
}
