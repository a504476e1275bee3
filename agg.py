import sys,re,collections
a=collections.OrderedDict()
un={'s':1e6,'ms':1e3,'µs':1,'ns':1e-3}
for l in sys.stdin:
    l=re.sub(r'\x1b\[[0-9;]*m','',l)
    m=re.search(r'summary="(.*?)" db.statement=.*rows_affected=(\d+).*elapsed_secs=([\d.e-]+)',l)
    if not m: continue
    k=m.group(1)[:90]; t=float(m.group(3))*1e6
    x=a.setdefault(k,[0,0,0,[]]); x[0]+=1; x[1]+=t; x[2]+=int(m.group(2)); x[3].append(t)
for k,x in sorted(a.items(),key=lambda kv:-kv[1][1])[:int(sys.argv[1]) if len(sys.argv)>1 else 30]:
    x[3].sort()
    print(f"{x[0]:7d} {x[1]/1000:10.1f} ms  avg {x[1]/x[0]:9.1f} µs med {x[3][len(x[3])//2]:9.1f} p99 {x[3][len(x[3])*99//100]:9.1f} rows {x[2]:8d}  {k}")
