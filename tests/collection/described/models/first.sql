{{ config(tags=['fast'], meta={'level': 1}) }}
select id, '{{ var("day") }}' as day, {{ var("depth") }} as depth, '{{ env_var("NOT_SET_ANYWHERE", "fallback") }}' as env, '{{ var("missing", "default") }}' as missing,
    '{{ target.name }}' as target_name, '{{ model.unique_id }}' as unique_id, {{ tojson(config.get("tags")) | length }} as tags_length,
    '{{ nope }}' as undefined, '{{ [3, 1, 2] | sort | join("-") }}' as sorted, '{{ modules.datetime.date(2024, 2, 29).isoformat() }}' as leap,
    '{{ local_md5("x") }}' as md5, '{{ "%.2f" | format(1.005) }}' as formatted, '{{ fromyaml("a: [1, 2]")["a"][1] }}' as yaml, {{ zip([1], [2]) | list | length }} as zipped,
    '{{ dbt_version[:1] }}' as major, '{{ set([1, 1, 2]) | length }}' as distinct_ones, '{{ execute }}' as executing, '{{ flags.WHICH }}' as verb
from {{ ref('base') }}
