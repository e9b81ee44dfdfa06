{#-
    One row per key: its newest version in a bronze table, with `date_load_utc`
    and `is_deleted` worked out.

    Newest is the greatest load time, then the greatest of `then_by`, then the
    last in file order. The order of arrival does not matter: an old version
    that arrives late never replaces a newer one and never brings a deleted row
    back, because each key is decided over its whole history.

    In an incremental run only the keys that can have changed are decided, see
    `touched_keys`. A key without any version left comes out as deleted.
-#}
{% macro newest_versions(bronze, key, then_by=[]) -%}
    {%- set owner = 'touched' if is_incremental() else 'versions' -%}
    select
        {%- if is_incremental() %}
        touched.*,
        versions.* exclude ({{ key | join(', ') }}),
        {%- else %}
        versions.*,
        {%- endif %}
        try_parse_utc(versions._fivetran_synced) as date_load_utc,
        versions.source_file is null
            or coalesce(lower(trim(versions._fivetran_deleted)) = 'true', false) as is_deleted
    {%- if is_incremental() %}
    from (
        {{ touched_keys(bronze, key) }}
    ) as touched
    left join {{ bronze }} as versions
        on {% for column in key %}{% if not loop.first %} and {% endif %}touched.{{ column }} = versions.{{ column }}{% endfor %}
    {%- else %}
    from {{ bronze }} as versions
    where {% for column in key %}{% if not loop.first %} and {% endif %}versions.{{ column }} is not null{% endfor %}
    {%- endif %}
    qualify row_number() over (
        partition by {% for column in key %}{% if not loop.first %}, {% endif %}{{ owner }}.{{ column }}{% endfor %}
        order by
            try_parse_utc(versions._fivetran_synced) desc nulls last,
            {%- for column in then_by %}
            try_parse_utc(versions.{{ column }}) desc nulls last,
            {%- endfor %}
            versions.source_file desc,
            versions.source_line desc
    ) = 1
{%- endmacro %}


{#-
    The keys whose current version may differ from what this model stores.

    A file is known up to the last of its lines that is stored here. Some lines
    beyond that mark are known as well (a version that was replaced at once, a
    deleted row): they are decided again, with the same result. So the mark needs
    no clock and no bookkeeping of runs, and a run that failed or was left out
    cannot move it too far. The load time alone would not do, because a batch may
    bring versions that are older than what is stored already.

    Keys from files that are gone from the landing folder are touched as well, so
    that another folder can be put in its place. Files only ever grow: after an
    edit of a line that was loaded before, build with --full-refresh.
-#}
{% macro touched_keys(bronze, key) -%}
select {{ key | join(', ') }}
        from {{ bronze }} as arrived
        left join (
            select
                source_file as known_file,
                max(source_line) as known_line
            from {{ this }}
            group by source_file
        ) as known
            on arrived.source_file = known.known_file
        where (known.known_line is null or arrived.source_line > known.known_line)
            {%- for column in key %}
            and {{ column }} is not null
            {%- endfor %}

        union

        select {{ key | join(', ') }}
        from {{ this }} as stored
        left anti join (
            select distinct source_file
            from {{ bronze }}
        ) as present
            on stored.source_file = present.source_file
{%- endmacro %}
