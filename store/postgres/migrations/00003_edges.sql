-- +goose Up

-- What may end a wait for many messages before they are all there.
alter table sendoff.wait
    add column alarm  int8 not null default 0,     -- number of the last message that is urgent: a failure, a signal
    add column prompt bool not null default false; -- one of them beyond seen ends the wait alone

-- +goose Down
alter table sendoff.wait drop column alarm, drop column prompt;
