package cron

import "time"

// Zone is the time zone with a name of the IANA database, "" for UTC. The zone of
// the machine has no name here: it may be another one on each node.
func Zone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fault("timezone", name, `a name of the IANA time zone database, such as "Europe/Berlin" or "UTC"`)
	}
	return zone, nil
}
