-- +goose Up
-- Messages of dispatcherd that were submitted in SQL, in transactions of their callers,
-- until a service has made tasks of them, which get their ids.
create table sendoff.submission (
    id      uuid not null,
    channel text not null,
    message text not null, -- JSON
    constraint submission_pkey primary key (id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- submit hands a message in when the transaction of its caller commits, and returns the id
-- of the task that it becomes: a UUID of version 7 (RFC 9562), and its uuid unless it has one. One of the services that
-- listen to the channel takes it.
-- +goose StatementBegin
create function sendoff.submit(channel text, message jsonb) returns uuid language plpgsql as $$
declare
    id uuid := encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
        substring(int8send((extract(epoch from clock_timestamp()) * 1000)::int8) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid;
begin
    if channel is null or octet_length(channel) not between 1 and 63 then
        raise exception 'sendoff.submit: the channel has % bytes: want 1 to 63', coalesce(octet_length(channel), 0) using errcode = 'invalid_parameter_value';
    end if;
    if jsonb_typeof(message) is distinct from 'object' or jsonb_typeof(message -> 'task') is distinct from 'string' then
        raise exception 'sendoff.submit: the message names no task' using errcode = 'invalid_parameter_value',
            hint = 'want an object such as {"task": "app.tasks.f", "args": [1]}';
    end if;
    if octet_length(message::text) > 1000000 then
        raise exception 'sendoff.submit: the message has % bytes: at most 1000000 are allowed', octet_length(message::text) using errcode = 'program_limit_exceeded';
    end if;
    if jsonb_typeof(message -> 'uuid') is distinct from 'string' then
        message := message || jsonb_build_object('uuid', id);
    end if;
    insert into sendoff.submission (id, channel, message) values (id, channel, message::text);
    perform pg_notify('sendoff_submit', channel);
    return id;
end
$$;
-- +goose StatementEnd

-- +goose Down
drop function sendoff.submit(text, jsonb);
drop table sendoff.submission;
