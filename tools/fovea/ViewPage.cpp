// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The page: data as numbers, a canvas, and the script that draws them.
#include "tools/fovea/ViewPage.h"
#include "tools/fovea/Picture.h"

#include <algorithm>

namespace fovea::cli {

static const char *const kStyle = R"css(
:root{--bg:#fff;--fg:#1a202c;--dim:#5a6577;--line:#cbd5e0;--full:#2b6cb0;
--partial:#f6c177;--visible:#9c4221;--l2:#5a9bd4;--l4:#8fc1e3;--l8:#c9e2f2;
--empty:#fff;--cursor:#c53030}
@media (prefers-color-scheme:dark){:root{--bg:#14181f;--fg:#e2e8f0;
--dim:#9aa7ba;--line:#3a4556;--full:#4a90d9;--partial:#8a6326;
--visible:#f2b36b;--l2:#3c76ab;--l4:#2c5579;--l8:#1f3a52;--empty:#1b212b;
--cursor:#fc8181}}
*{box-sizing:border-box}
body{margin:0;padding:16px;background:var(--bg);color:var(--fg);
font:14px/1.4 system-ui,sans-serif}
h1{font-size:18px;margin:0}p{margin:4px 0;color:var(--dim)}
#main{width:100%;height:min(76vh,900px);border:1px solid var(--line);
display:block;touch-action:none;cursor:crosshair}
#main:focus-visible,button:focus-visible{outline:2px solid var(--full)}
#info{min-height:2.8em;font-variant-numeric:tabular-nums;margin:8px 0}
#heads{display:flex;flex-wrap:wrap;gap:8px;margin:8px 0}
#heads button{padding:4px;border:1px solid var(--line);background:var(--bg);
color:var(--fg);font:inherit;cursor:pointer}
#heads button[aria-pressed=true]{border-color:var(--full);
box-shadow:0 0 0 1px var(--full)}
#heads canvas{display:block;width:110px;height:110px}
#legend{display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:8px 0;
list-style:none}
#legend span{display:inline-block;width:14px;height:14px;margin-right:6px;
border:1px solid var(--line);vertical-align:-2px}
kbd{border:1px solid var(--line);border-radius:3px;padding:0 4px}
)css";

// The view is {q, k, s}: the query and key at the top left and pixels per
// token. Everything is drawn from D; nothing is fetched.
static const char *const kScript = R"js(
const main=document.getElementById('main'),info=document.getElementById('info');
const Q=D.q1-D.q0,K=D.k1-D.k0,PAD=46;
let head=0,view={q:D.q0,k:D.k0,s:1},cur={q:D.q0,k:D.k0},seen=false;
const color=n=>getComputedStyle(document.documentElement)
  .getPropertyValue('--'+n).trim();
const names=['empty','partial','full'];
const words=['skipped','partial (runs with mask code)',
  'full (runs without mask code)'];
const level=n=>n<2?'full':n<3?'l2':n<5?'l4':'l8';
function size(c,w,h){const r=devicePixelRatio||1;c.width=w*r;c.height=h*r;
  const g=c.getContext('2d');g.setTransform(r,0,0,r,0,0);return g}
function paint(g,H,v,w,h,x0,y0,rows){
  const X=k=>x0+(k-v.k)*v.s,Y=q=>y0+(q-v.q)*v.s;
  g.save();g.beginPath();g.rect(x0,y0,w,h);g.clip();
  g.fillStyle=color('empty');
  g.fillRect(X(D.k0),Y(D.q0),K*v.s,Q*v.s);
  const box=(q0,q1,a,b,grid)=>{const x=X(a),y=Y(q0),
      ww=(b-a)*v.s,hh=(q1-q0)*v.s;
    if(x>x0+w||y>y0+h||x+ww<x0||y+hh<y0)return;
    g.fillRect(x,y,Math.max(ww,.7),Math.max(hh,.7));
    if(grid&&Math.min(hh,D.tk*v.s)>=6){g.strokeStyle=color('bg');g.lineWidth=.6;
      for(let k=a;k<b;k+=D.tk)if(X(k)<x0+w&&X(k+D.tk)>x0)
        g.strokeRect(X(k),y,(Math.min(k+D.tk,b)-k)*v.s,hh)}};
  for(const kind of [2,1]){g.fillStyle=color(names[kind]);
    for(const [q0,q1,r] of H.t){if(Y(q1)<y0||Y(q0)>y0+h)continue;
      for(let i=0;i<r.length;i+=4)if(r[i]===kind)box(q0,q1,r[i+1],r[i+2],true)}}
  for(const [q0,q1,a,b,n] of H.s){g.fillStyle=color(level(n));box(q0,q1,a,b)}
  if(rows&&H.r.length&&v.s>=1.5){g.fillStyle=color('visible');
    H.r.forEach((r,i)=>{const q=D.q0+i;if(Y(q+1)<y0||Y(q)>y0+h)return;
      for(let j=0;j<r.length;j+=2){const c=cell(H,q,r[j]);
        if(c&&c.kind===1)box(q,q+1,r[j],r[j+1])}})}
  g.restore()}
function cell(H,q,k){const t=H.t;let lo=0,hi=t.length-1;
  while(lo<hi){const m=(lo+hi+1)>>1;if(t[m][0]<=q)lo=m;else hi=m-1}
  if(!t.length||q<t[lo][0]||q>=t[lo][1])return null;
  const [q0,q1,r]=t[lo];
  for(let i=0;i<r.length;i+=4)if(k>=r[i+1]&&k<r[i+2]){
    const a=r[i+1]+Math.floor((k-r[i+1])/D.tk)*D.tk,b=Math.min(a+D.tk,r[i+2]);
    return{q0,q1,a,b,kind:r[i],
      n:r[i]===2?(q1-q0)*(b-a):r[i+3]}}
  return{q0,q1,a:k,b:k+1,kind:0,n:0}}
function tell(){const H=D.heads[head],{q,k}=cur;
  if(q<D.q0||q>=D.q1||k<D.k0||k>=D.k1){info.textContent='';return}
  let s=`query ${q}, key ${k}: `;
  const sight=H.s.find(r=>q>=r[0]&&q<r[1]&&k>=r[2]&&k<r[3]);
  if(H.s.length)s+=sight?(sight[4]>1?`pooled by ${sight[4]}`:'visible'):
    'not seen';
  else{const c=cell(H,q,k);
    if(!c||!c.kind)s+='skipped';
    else{const area=(c.q1-c.q0)*(c.b-c.a);
      s+=`queries ${c.q0} to ${c.q1-1}, keys ${c.a} to ${c.b-1}, `+words[c.kind]
        +(c.n<0?', not counted':`, ${c.n} of ${area} pairs visible (${
          (100*c.n/area).toFixed(1)} %)`)}
    const r=H.r[q-D.q0];
    if(r){let on=false;for(let j=0;j<r.length;j+=2)on=on||(k>=r[j]&&k<r[j+1]);
      s+=on?'; this pair is visible':'; this pair is masked'}}
  info.textContent=s}
function tick(n){let s=1;for(let d=1;;d*=10)for(const f of[2,5,10]){
  if(n/s<=8)return s;s=d*f}}
function draw(){const w=main.clientWidth,h=main.clientHeight,g=size(main,w,h);
  g.fillStyle=color('bg');g.fillRect(0,0,w,h);
  paint(g,D.heads[head],view,w-PAD,h-PAD,PAD,PAD,true);
  g.fillStyle=color('fg');g.strokeStyle=color('line');
  g.font='12px system-ui,sans-serif';g.textAlign='center';
  const kn=Math.min((w-PAD)/view.s,K),qn=Math.min((h-PAD)/view.s,Q);
  let st=tick(kn);
  for(let k=Math.ceil(view.k/st)*st;k<=D.k1;k+=st){
    const x=PAD+(k-view.k)*view.s;if(x>w)break;
    g.fillText(k,x,PAD-10);g.strokeRect(x,PAD-6,0,6)}
  st=tick(qn);g.textAlign='right';
  for(let q=Math.ceil(view.q/st)*st;q<=D.q1;q+=st){
    const y=PAD+(q-view.q)*view.s;if(y>h)break;
    g.fillText(q,PAD-9,y+4);g.strokeRect(PAD-6,y,6,0)}
  g.textAlign='left';g.fillText('key',PAD,14);g.fillText('query',2,30);
  if(seen){const x=PAD+(cur.k+.5-view.k)*view.s,y=PAD+(cur.q+.5-view.q)*view.s;
    g.strokeStyle=color('cursor');g.beginPath();g.moveTo(x,PAD);g.lineTo(x,h);
    g.moveTo(PAD,y);g.lineTo(w,y);g.stroke()}}
function fit(){view.s=Math.min((main.clientWidth-PAD)/K,
  (main.clientHeight-PAD)/Q);view.q=D.q0;view.k=D.k0}
function zoom(f,x,y){const q=view.q+(y-PAD)/view.s,k=view.k+(x-PAD)/view.s;
  view.s=Math.min(Math.max(view.s*f,
    Math.min((main.clientWidth-PAD)/K,(main.clientHeight-PAD)/Q)/2),40);
  view.q=q-(y-PAD)/view.s;view.k=k-(x-PAD)/view.s;draw()}
function at(e){const r=main.getBoundingClientRect();
  return[e.clientX-r.left,e.clientY-r.top]}
let drag=null;
main.addEventListener('pointerdown',e=>{drag=at(e);
  main.setPointerCapture(e.pointerId)});
main.addEventListener('pointerup',()=>{drag=null});
main.addEventListener('pointermove',e=>{const[x,y]=at(e);
  if(drag){view.k-=(x-drag[0])/view.s;view.q-=(y-drag[1])/view.s;drag=[x,y]}
  cur={q:Math.floor(view.q+(y-PAD)/view.s),k:Math.floor(view.k+(x-PAD)/view.s)};
  seen=false;tell();if(drag)draw()});
main.addEventListener('wheel',e=>{e.preventDefault();
  zoom(e.deltaY<0?1.25:.8,...at(e))},{passive:false});
main.addEventListener('dblclick',e=>{const[x,y]=at(e);
  const t=Math.max(D.tk,D.tq)*2;
  zoom(Math.min(main.clientWidth,main.clientHeight)/t/view.s,x,y)});
function follow(){const w=(main.clientWidth-PAD)/view.s,
    h=(main.clientHeight-PAD)/view.s;
  cur.q=Math.min(Math.max(cur.q,D.q0),D.q1-1);
  cur.k=Math.min(Math.max(cur.k,D.k0),D.k1-1);
  if(cur.k<view.k||cur.k>=view.k+w)view.k=cur.k-w/2;
  if(cur.q<view.q||cur.q>=view.q+h)view.q=cur.q-h/2;
  seen=true;tell();draw()}
main.addEventListener('keydown',e=>{const f=e.shiftKey?1:0,
    dq=f?1:D.tq,dk=f?1:D.tk;
  const X=PAD+(cur.k-view.k)*view.s,Y=PAD+(cur.q-view.q)*view.s;
  const go={ArrowUp:()=>cur.q-=dq,ArrowDown:()=>cur.q+=dq,
    ArrowLeft:()=>cur.k-=dk,ArrowRight:()=>cur.k+=dk,
    '+':()=>zoom(1.5,X,Y),'=':()=>zoom(1.5,X,Y),'-':()=>zoom(1/1.5,X,Y),
    '0':fit}[e.key];
  if(!go)return;e.preventDefault();go();follow()});
function select(i){head=i;[...heads.children].forEach((b,j)=>
  b.setAttribute('aria-pressed',j===i));tell();draw()}
const heads=document.getElementById('heads');
function thumbs(){heads.textContent='';if(D.heads.length<2)return;
  D.heads.forEach((H,i)=>{const b=document.createElement('button'),
      c=document.createElement('canvas');
    b.append(c,'head '+H.h);b.setAttribute('aria-label','show head '+H.h);
    b.onclick=()=>select(i);heads.append(b);
    const s=Math.min(110/K,110/Q);
    paint(size(c,110,110),H,{q:D.q0,k:D.k0,s},110,110,0,0,false)});
  select(head)}
function legend(){const H=D.heads,has=f=>H.some(f),list=[['empty','skipped']];
  const kind=n=>has(h=>h.t.some(r=>r[2].some((x,i)=>i%4===0&&x===n)));
  const lev=(a,b)=>has(h=>h.s.some(r=>r[4]>=a&&r[4]<=b));
  if(kind(2))list.push(['full','tile without mask code']);
  if(kind(1))list.push(['partial','tile with mask code']);
  if(has(h=>h.r.length)&&kind(1))list.push(['visible','visible inside it']);
  if(lev(1,1))list.push(['full','visible']);
  if(lev(2,2))list.push(['l2','pooled by 2']);
  if(lev(3,4))list.push(['l4','pooled by 4']);
  if(lev(5,1e9))list.push(['l8','pooled by 8 or more']);
  for(const[n,t]of list){const l=document.createElement('li'),
      s=document.createElement('span');
    s.style.background='var(--'+n+')';l.append(s,t);
    document.getElementById('legend').append(l)}}
function all(){draw();thumbs()}
fit();legend();all();
addEventListener('resize',()=>{fit();draw()});
matchMedia('(prefers-color-scheme:dark)').addEventListener('change',all);
)js";

static void append(std::string &out, int64_t value) {
  if (!out.empty() &&
      (out.back() == '-' || (out.back() >= '0' && out.back() <= '9')))
    out += ',';
  out += std::to_string(value);
}

/// {h, t: [[q0, q1, [kind, lo, hi, visible, ...]], ...], r: [[lo, hi, ...]],
/// s: [[q0, q1, lo, hi, level]]}
static void appendHead(std::string &out, const HeadView &view) {
  out += "{h:" + std::to_string(view.head) + ",t:[";
  for (const CellRow &row : view.map.rows) {
    out += out.back() == ']' ? ",[" : "[";
    append(out, row.q0);
    append(out, row.q1);
    out += ",[";
    for (const CellRun &run : row.runs)
      for (int64_t value : {int64_t(run.kind), run.lo, run.hi, run.visible})
        append(out, value);
    out += "]]";
  }
  out += "],r:[";
  for (const auto &row : view.rows) {
    out += out.back() == ']' ? ",[" : "[";
    for (const fovea_abi_run &run : row) {
      append(out, run.lo);
      append(out, run.hi);
    }
    out += "]";
  }
  out += "],s:[";
  for (const Sight &s : view.sights) {
    out += out.back() == ']' ? ",[" : "[";
    for (int64_t value : {s.q0, s.q1, s.lo, s.hi, s.level})
      append(out, value);
    out += "]";
  }
  out += "]}";
}

std::string viewPage(const PageText &text, const Window &window,
                     const std::vector<HeadView> &heads) {
  int64_t tq = 1, tk = 1;
  for (const HeadView &head : heads) {
    tq = std::max(tq, head.map.queriesStep);
    tk = std::max(tk, head.map.keysStep);
  }
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
      escapeXml(text.title) + "</title>\n<style>" + kStyle +
      "</style></head>\n<body>\n<h1>" + escapeXml(text.title) + "</h1>\n<p>" +
      escapeXml(text.subtitle) + "</p>\n";
  if (!text.note.empty())
    out += "<p>" + escapeXml(text.note) + "</p>\n";
  out += "<div id=\"heads\" role=\"group\" aria-label=\"heads\"></div>\n"
         "<canvas id=\"main\" tabindex=\"0\" role=\"img\" aria-label=\"" +
         escapeXml(text.title) +
         ": queries down, keys to the right\" "
         "aria-describedby=\"info\"></canvas>\n"
         "<p id=\"info\" aria-live=\"polite\"></p>\n"
         "<ul id=\"legend\"></ul>\n"
         "<p>Wheel or <kbd>+</kbd> <kbd>-</kbd> zoom, drag pans, double click "
         "zooms to a tile; arrows move by a tile, with shift by a token; "
         "<kbd>0</kbd> shows all.</p>\n<script>\nconst D={q0:" +
         std::to_string(window.q0) + ",q1:" + std::to_string(window.q1) +
         ",k0:" + std::to_string(window.k0) +
         ",k1:" + std::to_string(window.k1) + ",tq:" + std::to_string(tq) +
         ",tk:" + std::to_string(tk) + ",heads:[";
  for (size_t i = 0; i < heads.size(); ++i) {
    if (i)
      out += ",\n";
    appendHead(out, heads[i]);
  }
  return out + "]};" + kScript + "</script>\n</body></html>\n";
}

} // namespace fovea::cli
