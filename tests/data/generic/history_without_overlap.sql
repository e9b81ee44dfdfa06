{#- The versions of one key follow each other: none begins before the former ended. -#}
{% test history_without_overlap(model, key) %}

with versions as (

    select
        {{ key }},
        valid_from,
        valid_to,
        lead(valid_from) over (partition by {{ key }} order by valid_from) as next_valid_from
    from {{ model }}

)

select *
from versions
where valid_to < valid_from
    or (next_valid_from is not null and (valid_to is null or valid_to > next_valid_from))

{% endtest %}
