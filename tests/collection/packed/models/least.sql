-- depends_on: {{ ref('tool_seed') }}
select {{ tools.first_of(ref('tool_seed')) if execute else 0 }} as first_id, x from (select x from {{ ref('tools', 'same') }})
