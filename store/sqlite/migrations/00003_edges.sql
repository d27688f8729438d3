-- +goose Up
-- What may end a wait for many messages before they are all there.

alter table wait add column alarm integer not null default 0;  -- number of the last message that is urgent: a failure, a signal
alter table wait add column prompt integer not null default 0; -- one of them beyond seen ends the suspension alone

alter table queue add column forgotten_at integer not null default 0; -- 0 = it has not been forgotten

alter table attempt add column left_out integer not null default 0; -- attempts before it that are not kept

-- +goose Down
alter table attempt drop column left_out;
alter table queue drop column forgotten_at;
alter table wait drop column prompt;
alter table wait drop column alarm;
