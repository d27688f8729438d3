-- +goose Up
-- Why an attempt got no answer: refused, reset, timed out, DNS, TLS; see task.Cause.

alter table attempt add column cause integer not null default 0;
alter table task add column last_cause integer not null default 0;

-- +goose Down
alter table task drop column last_cause;
alter table attempt drop column cause;
