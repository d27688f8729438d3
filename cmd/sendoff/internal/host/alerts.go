package host

import (
	"net/url"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Alerts is who is told when something is wrong.
type Alerts struct {
	URL    string        `name:"url" env:"SENDOFF_ALERT_URL" placeholder:"URL" help:"Where it is pushed that something is wrong, and that it is over: a queue is stuck, a schedule is late, tasks fail in a new way. Default: nowhere."`
	Waited time.Duration `default:"5m" env:"SENDOFF_ALERT_WAITED" help:"A queue is stuck when its oldest ready task has waited for so long."`
	Late   time.Duration `default:"1m" env:"SENDOFF_ALERT_LATE" help:"A schedule is late when it is due for so long."`
	Quiet  time.Duration `default:"30m" env:"SENDOFF_ALERT_QUIET" help:"A new way of failing is over when no task has failed so for so long."`
}

func (a *Alerts) check() error {
	if u, err := url.Parse(a.URL); a.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return term.Usage("--alert-url %q: want a URL such as https://hooks.example/sendoff", a.URL)
	}
	if a.Waited < time.Second || a.Late < time.Second || a.Quiet < time.Second {
		return term.Usage("--alert-waited, --alert-late and --alert-quiet: want durations of 1s and more, such as 5m")
	}
	return nil
}
