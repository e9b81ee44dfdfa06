{% macro money(column, scale=2) %}({{ column }} / 100.0)::numeric(16, {{ scale }}){% endmacro %}
