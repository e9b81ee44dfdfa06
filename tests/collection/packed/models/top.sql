select id, {{ tools.hello('x') }} as a, {{ tools.default__hello('y') }} as b, {{ other.greet() }} as c, '{{ inner() }}' as d,
    '{{ var('shade') }}' as e, {{ tools.kind() }} as f, '{{ tools.first_of(none) }}' as g, shade
from {{ ref('tools', 'tool_list') }}
