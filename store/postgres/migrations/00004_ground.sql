-- +goose Up

-- Why an attempt got no answer: refused, reset, timed out, DNS, TLS; see task.Cause.
alter table sendoff.attempt add column cause int2 not null default 0;
alter table sendoff.task add column last_cause int2 not null default 0;

-- +goose Down
alter table sendoff.task drop column last_cause;
alter table sendoff.attempt drop column cause;
