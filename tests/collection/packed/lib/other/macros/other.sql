{% macro greet() %}{{ return(adapter.dispatch('greet', 'other')()) }}{% endmacro %}
{% macro default__greet() %}'greet of other'{% endmacro %}
