-- Why T1 refuses, as names in one order.

-- A new one is put at its place: alter type holdfast.refusal add value '…' before '…', in a numbered file of its own.
create type holdfast.refusal as enum (
    'idempotency_key_reused', 'request_in_progress', 'not_found', 'sale_not_open', 'already_holding', 'limit_reached', 'sold_out');
comment on type holdfast.refusal is 'Why T1 refuses a reservation, in order of precedence: of several that apply, the first is the answer.';

create type holdfast.refused_line as (why holdfast.refusal, waits boolean, line integer);
comment on type holdfast.refused_line is 'Why one line of a reservation is refused. In the order of these: the first of a reservation''s lines is its answer.';
comment on column holdfast.refused_line.why   is 'The refusal.';
comment on column holdfast.refused_line.waits is 'Of limit_reached: whether only a cool-down has to end. A limit that is really reached comes first.';
comment on column holdfast.refused_line.line  is 'The line, from 1, of the whole batch.';
