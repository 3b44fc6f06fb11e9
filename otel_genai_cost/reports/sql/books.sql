-- The price books that anything is booked by.
SELECT DISTINCT book FROM entries WHERE book <> '' AND seq <= $1 ORDER BY book
