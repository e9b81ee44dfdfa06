{{ config(alias='same_of_tools') }} select 'tools' as x
