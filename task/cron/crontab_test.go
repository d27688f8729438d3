package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task/cron"
)

// The times at which packages of Debian have something run, as in their files in
// /etc/cron.d and in /etc/crontab, with how often that is in 2027.
func TestSchedulesOfDebianPackages(t *testing.T) {
	for name, tt := range map[string]struct {
		line  string
		user  string
		times int
		first string
	}{
		"anacron":              {"30 7-23 * * *   root\t[ -x /etc/init.d/anacron ] && invoke-rc.d anacron start >/dev/null", "root", 365 * 17, "01-01 07:30"},
		"e2scrub, weekly":      {"30 3 * * 0 root test -e /run/systemd/system || e2scrub_all_cron", "root", 52, "01-03 03:30"},
		"e2scrub, daily":       {"10 3 * * * root test -e /run/systemd/system || e2scrub_all -A -r", "root", 365, "01-01 03:10"},
		"php sessionclean":     {"09,39 *     * * *     root   [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean", "root", 2 * 8760, "01-01 00:09"},
		"mdadm":                {`57 0 * * 0 root [ $(date +\%d) -le 7 ] && checkarray --cron --all --idle --quiet`, "root", 52, "01-03 00:57"},
		"sysstat, activity":    {"5-55/10 * * * * root command -v debian-sa1 > /dev/null && debian-sa1 1 1", "root", 6 * 8760, "01-01 00:05"},
		"sysstat, the day":     {"59 23 * * * root command -v debian-sa1 > /dev/null && debian-sa1 60 2", "root", 365, "01-01 23:59"},
		"certbot":              {"0 */12 * * * root certbot -q renew", "root", 730, "01-01 12:00"},
		"zfsutils, scrub":      {`24 0 8-14 * * root [ $(date +\%w) -eq 0 ] && scrub`, "root", 12 * 7, "01-08 00:24"},
		"cron, hourly":         {"17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly", "root", 8760, "01-01 00:17"},
		"cron, daily":          {"25 6\t* * *\troot\trun-parts --report /etc/cron.daily", "root", 365, "01-01 06:25"},
		"cron, weekly":         {"47 6\t* * 7\troot\trun-parts --report /etc/cron.weekly", "root", 52, "01-03 06:47"},
		"cron, monthly":        {"52 6\t1 * *\troot\trun-parts --report /etc/cron.monthly", "root", 12, "01-01 06:52"},
		"munin":                {"*/5 * * * * munin munin-cron", "munin", 12 * 8760, "01-01 00:05"},
		"a name and a step":    {"@hourly www-data true", "www-data", 8760, "01-01 01:00"},
		"awstats, of each ten": {"*/10 * * * * www-data update", "www-data", 6 * 8760, "01-01 00:10"},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := cron.Crontab(strings.NewReader("# "+name+"\nSHELL=/bin/sh\n\n"+tt.line+"\n"), true, nil)
			require.NoError(t, err)
			require.Len(t, entries, 1)
			require.Equal(t, tt.user, entries[0].User)
			require.Equal(t, 4, entries[0].Line)
			require.NotContains(t, entries[0].Command, `\`)
			require.Empty(t, entries[0].Input)
			start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			at := fires(entries[0].Expr, start, start.AddDate(1, 0, 0))
			require.Len(t, at, tt.times)
			require.Equal(t, tt.first, time.Unix(at[0], 0).UTC().Format("01-02 15:04"))
		})
	}
}

func TestCrontab(t *testing.T) {
	const file = `# mine
  # indented
SHELL = /bin/sh
MAILTO="ops@example.com"
0 5 * * 1 tar -zcf /var/backups/home.tgz /home
CRON_TZ=Europe/Berlin
MAILTO=''
*/5 * * * * FLAGS=x mail -s "50\% of a=b" joe%Joe,%%so is it, 20\%%
@daily tidy

`
	entries, err := cron.Crontab(strings.NewReader(file), false, nil)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	first, second, third := entries[0], entries[1], entries[2]
	require.Equal(t, "tar -zcf /var/backups/home.tgz /home", first.Command)
	require.Equal(t, "0 5 * * 1", first.Expr.String())
	require.Equal(t, "UTC", first.Expr.Zone().String())
	require.Equal(t, map[string]string{"SHELL": "/bin/sh", "MAILTO": "ops@example.com"}, first.Env)
	require.Equal(t, `FLAGS=x mail -s "50% of a=b" joe`, second.Command)
	require.Equal(t, "Joe,\n\nso is it, 20%\n", second.Input)
	require.Equal(t, "Europe/Berlin", second.Expr.Zone().String())
	require.Equal(t, map[string]string{"SHELL": "/bin/sh", "MAILTO": "", "CRON_TZ": "Europe/Berlin"}, second.Env)
	require.Equal(t, "@daily", third.Expr.String())
	require.Equal(t, "tidy", third.Command)
	require.Equal(t, 9, third.Line)
}

func TestFaultsOfACrontabNameTheirLines(t *testing.T) {
	entries, err := cron.Crontab(strings.NewReader("@reboot start\n0 0 * * * fine\n0 25 * * * late\n0 0 * * *\nCRON_TZ=Nowhere\n1 1 * * * x\n"), false, nil)
	require.EqualError(t, err, `line 1: cron: "@reboot": want @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or five fields
line 3: hour: "25": want 0 to 23, such as "9", "9-17" or "*/2"
line 4: entry: "0 0 * * *": want a command after the fields
line 6: timezone: "Nowhere": want a name of the IANA time zone database, such as "Europe/Berlin" or "UTC"`)
	require.Len(t, entries, 1)
	require.Equal(t, "fine", entries[0].Command)
	_, err = cron.Crontab(strings.NewReader("0 0 * * * root\n"), true, nil)
	require.EqualError(t, err, `line 1: entry: "0 0 * * * root": want a command after the user`)
	_, err = cron.Crontab(strings.NewReader(strings.Repeat("x", 1<<17)), true, nil)
	require.ErrorContains(t, err, "line 1: ")
}

func FuzzCrontab(f *testing.F) {
	f.Add("A=b\n* * * * * root x%y\\%z\n@daily root q", true)
	f.Add("CRON_TZ = \"UTC\"\n\t5 4 * * sun echo", false)
	f.Fuzz(func(t *testing.T, text string, users bool) {
		entries, _ := cron.Crontab(strings.NewReader(text), users, nil)
		for _, e := range entries {
			require.NotNil(t, e.Expr)
			require.Positive(t, e.Line)
			require.Equal(t, users, e.User != "")
		}
	})
}
