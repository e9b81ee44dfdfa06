select id, '{{ var('shade') }}' as shade, {{ var('size') }} as size, '{{ this.schema }}' as place from {{ ref('tool_seed') }}
