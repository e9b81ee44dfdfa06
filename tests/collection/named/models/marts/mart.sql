select *, '{{ this.schema }}.{{ this.identifier }}' as place from {{ ref('stg_colours') }}
