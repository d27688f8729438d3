-- +goose Up
-- Schedules of the default namespace that no stored key had made were kept under 0.
update or ignore schedule set ns = 1 where ns = 0;
delete from schedule where ns = 0;
update or ignore fire set ns = 1 where ns = 0;
delete from fire where ns = 0;

-- +goose Down
select 1;
