select "Odd Column" + "select" as three from {{ ref('quoted') }}
