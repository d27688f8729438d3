package dispatcherd

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// The producers of the service itself, as the command producers names them.
const (
	scheduledProducer = "scheduled-producer"
	onStartProducer   = "on-start-producer"
	controlProducer   = "control-producer"
)

func (c *Config) producers() (names []string) {
	if len(c.Schedules) > 0 {
		names = append(names, scheduledProducer)
	}
	if len(c.OnStart) > 0 {
		names = append(names, onStartProducer)
	}
	if c.Control {
		names = append(names, controlProducer)
	}
	return names
}

// produce submits what the configuration asks for: at the start, and from time to time.
func (s *Service) produce(ctx context.Context, loops *errgroup.Group) {
	for i, t := range s.cfg.OnStart {
		s.produceOne(onStartProducer, t, fmt.Sprintf("on-start-%d", i))
	}
	for i := range s.cfg.Schedules {
		loops.Go(func() error {
			tick := time.NewTicker(s.cfg.Schedules[i].Every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-tick.C:
				}
				s.mu.Lock()
				n := s.scheduled
				s.scheduled++
				s.mu.Unlock()
				s.produceOne(scheduledProducer, s.cfg.Schedules[i].Message, fmt.Sprintf("sch-%d", n))
			}
		})
	}
}

func (s *Service) produceOne(producer string, text []byte, uuid string) {
	m, err := parse(text)
	if err != nil {
		s.log.Error("a configured task is no message", "err", err)
		return
	}
	s.mu.Lock()
	for _, p := range s.brokers {
		if p.name == producer {
			p.count++
		}
	}
	if !given(m.fields["uuid"]) {
		m.set("uuid", uuid)
	}
	s.received++
	s.mu.Unlock()
	s.take(m, "", nil)
}
