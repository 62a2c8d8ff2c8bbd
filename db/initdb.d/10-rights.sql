-- The image grants its application user everything on the schema. The ledger migrates its tables and works in them;
-- it never needs to lock, to store code, to grant, or to see another schema.
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'ledger'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON `ledger`.* TO 'ledger'@'%';
