import collections
import glob
import json
import os
import random
import re
import sys

random.seed(int(sys.argv[1]))
mult = int(sys.argv[2])
idx = collections.defaultdict(list)
docs = []
files = sorted(glob.glob(os.path.dirname(os.__file__) + "/*.py"))[:mult]
for n, f in enumerate(files):
    t = open(f, errors="replace").read()
    docs.append(t)
    for m in re.finditer(r"\w+", t):
        idx[m.group()].append((n, m.start()))
print(len(docs), len(idx), sum(map(len, idx.values())), flush=True)
keys = list(idx)
hot = keys[: len(keys) // 10]
s = 0
for i in range(150000):
    k = random.choice(hot) if random.random() < 0.8 else random.choice(keys)
    s += len(idx[k])
    if i % 10 == 0:
        idx[k].append((0, i))
print(s, len(json.dumps({k: idx[k][:20] for k in keys[:20000]})), flush=True)
