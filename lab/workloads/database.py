# database.py SEED ROWS TRANSACTIONS: an SQLite database in memory, with an index and text in every row; transactions
# read, change, delete and insert rows of a skewed choice, and every so often one scans a part of the table.
import random
import sqlite3
import sys

seed, rows, transactions = map(int, sys.argv[1:4])
random.seed(seed)
words = ["".join(random.choices("etaoinshrdlucmfw", k=random.randint(3, 9))) for _ in range(2000)]
text = lambda: " ".join(random.choices(words, k=random.randint(5, 60)))
row = lambda key: (key, random.choice(words), random.random() * 1000, text())
db = sqlite3.connect(":memory:")
db.execute("PRAGMA cache_size = -1000000")
db.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, note TEXT)")
db.execute("CREATE INDEX by_name ON item (name, price)")
db.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", (row(key) for key in range(rows)))
db.commit()
found = 0
for n in range(transactions):
    key = int(rows * random.random() ** 4)  # most at the low keys
    kind = random.random()
    if kind < 0.6:
        found += len(db.execute("SELECT * FROM item WHERE id = ?", (key,)).fetchall())
    elif kind < 0.8:
        db.execute("UPDATE item SET price = price + 1, note = ? WHERE id = ?", (text(), key))
    elif kind < 0.9:
        db.execute("REPLACE INTO item VALUES (?, ?, ?, ?)", row(key))
    elif kind < 0.95:
        found += len(
            db.execute("SELECT id FROM item WHERE name = ? AND price < 50", (random.choice(words),)).fetchall()
        )
    else:
        db.execute("DELETE FROM item WHERE id = ?", (random.randrange(rows),))
    if n % 50 == 49:
        db.commit()
    if n % 2000 == 1999:
        first = random.randrange(rows)
        found += (
            db.execute(
                "SELECT sum(length(note)) FROM item WHERE id BETWEEN ? AND ?", (first, first + rows // 10)
            ).fetchone()[0]
            or 0
        )
print(found, db.execute("SELECT count(*) FROM item").fetchone()[0])
