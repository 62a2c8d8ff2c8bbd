-- The image grants the user of the application all privileges on its schema. The ledger only needs to migrate its tables
-- and to use them: no locks, stored routines, grants or other schemas.
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'ledger'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON `ledger`.* TO 'ledger'@'%';
