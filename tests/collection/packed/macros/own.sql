{% macro default__hello(name) %}'root says {{ name }}'{% endmacro %}
{% macro inner() %}root{% endmacro %}
