-- +goose Up
-- Schedules of the default namespace that no stored key had made were kept under 0.
update sendoff.schedule s set ns = 1 where s.ns = 0 and not exists (select from sendoff.schedule o where o.ns = 1 and o.name = s.name);
delete from sendoff.schedule s where s.ns = 0;
update sendoff.fire f set ns = 1 where f.ns = 0 and not exists (select from sendoff.fire o where o.ns = 1 and o.schedule = f.schedule and o.due = f.due and o.task = f.task);
delete from sendoff.fire f where f.ns = 0;

-- +goose Down
select 1;
