-- Companies, and customers with a foreign key to them; all invented.
CREATE TABLE companies (
    id serial PRIMARY KEY,
    name text NOT NULL,
    domain text,
    employees integer,
    tags text[],
    founded_on date,
    changed_at timestamptz NOT NULL
);
CREATE TABLE customers (
    id uuid PRIMARY KEY,
    company_id integer REFERENCES companies,
    full_name varchar(100),
    email text UNIQUE,
    vip boolean,
    balance numeric(12, 2),
    signed_up_at timestamptz,
    profile jsonb,
    password_hash text,
    changed_at timestamptz NOT NULL
);
INSERT INTO companies (name, domain, employees, tags, founded_on, changed_at) VALUES
    ('Example Gardens', 'gardens.example.com', 42, '{wholesale,spring}', '1999-12-31', '2026-01-01Z'),
    ('Placeholder Bakery', NULL, NULL, NULL, NULL, '2026-01-02Z');
INSERT INTO customers VALUES
    ('00000000-0000-0000-0000-000000000001', 1, 'Ada Example', 'ada@example.com', true, 1042.50,
     '2021-03-02 10:30+01', '{"plan": "gold"}', 'x', '2026-01-01Z'),
    ('00000000-0000-0000-0000-000000000002', 2, 'Bo Sample', 'bo@example.com', false, 0,
     NULL, NULL, 'x', '2026-01-02Z'),
    ('00000000-0000-0000-0000-000000000003', NULL, NULL, 'cy@example.com', NULL, NULL,
     NULL, '{}', 'x', '2026-01-03Z');
