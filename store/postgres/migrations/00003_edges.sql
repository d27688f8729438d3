-- +goose Up

-- What may end a wait for many messages before they are all there.
alter table sendoff.wait
    add column alarm  int8 not null default 0,     -- number of the last message that is urgent: a failure, a signal
    add column prompt bool not null default false; -- one of them beyond seen ends the wait alone

alter table sendoff.queue add column forgotten_at int8 not null default 0; -- 0 = it has not been forgotten

alter table sendoff.attempt add column left_out int8 not null default 0; -- attempts before it that are not kept

-- +goose Down
alter table sendoff.attempt drop column left_out;
alter table sendoff.queue drop column forgotten_at;
alter table sendoff.wait drop column alarm, drop column prompt;
