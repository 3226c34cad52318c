// Every word that the page shows, in both languages; and small functions that put them in place.
const WORDS = {
  en: {
    subtitle: "The sentiment of posts that are text and image",
    model: "Model", api: "API", language: "Language", tabOne: "One post", tabMany: "Many posts",
    image: "Image", text: "Text", drop: "Drop images here, paste one, or", choose: "Choose images",
    remove: "Remove the image", removeAll: "Remove the images", textHint: "Type or paste the post's text", go: "Tell the mood", clear: "Clear",
    private: "Nothing you give leaves this service, and nothing is kept.",
    working: "Working …", nothing: "Give an image, a text, or both.",
    answer: "Answer", byHand: "Check by hand",
    byHandWhy: "The model is {confidence} sure; below {threshold} a person should look.",
    byHandUnread: "However sure it looks: the model could not read this.",
    said: "What each part says", alone: "Alone: {label}, {value}",
    moved: "moved {label} by {points} points", start: "Label the posts",
    absent: { text: "No text was read.", image: "No image was read." },
    prior: "With nothing to read the model would say {values}.",
    words: "Words that mattered", wordsLeft: "The last {n} words were not weighed.",
    wordsNone: "No word changed the answer much.",
    for: "speaks for {label}", against: "speaks against {label}",
    heat: "Where in the image", heatFirst: "Where in the first image", heatShow: "Show weights",
    heatAlt: "The image; the part that speaks most for {label} is row {row}, column {column} of {size}.",
    file: "File of posts", stop: "Stop",
    fileHint: "A table (CSV, TSV, Excel) or JSON of posts, a post in each row; or a zip with such a table and the images "
      + "that it names, or with train.txt or test_without_label.txt (guid,tag) and the folder data.",
    columns: "Columns (if they are not found by themselves)",
    columnsHint: "Which column is the text, the image, the id; all others come back as they are.",
    noFile: "Choose a file first.", badType: "Expected a .csv, .tsv, .xlsx, .json, .jsonl or .zip file.",
    share: "{n} · {share}", totals: "{total} posts; {review} to check by hand, {problems} with something missing",
    sharesCorrected: "Counts err as the model errs. Corrected for that, of all such posts (95 %):",
    sharesCalibrated: "By the model's probabilities, of all such posts (95 %):", shareOf: "{value} ({low} to {high})",
    overTime: "Over time (column {column})", tooFew: "too few posts",
    sending: "Sending and reading {name} …", progress: "{done} of {total} posts", done: "{total} posts labelled",
    stopped: "Stopped after {done} of {total} posts",
    broken: "The answer broke off after {done} of {total} posts.",
    show: "Show", sort: "Sort by", find: "Find", all: "all posts", review: "to check by hand",
    corrected: "corrected", problems: "with something missing",
    sortOrder: "order in the file", sortLow: "least sure first", sortHigh: "surest first", sortLabel: "label",
    count: "{n} of {total} shown, {corrected} corrected", post: "Post", label: "Label", confidence: "Sure",
    labelOf: "Label of post {id}", before: "Previous", after: "Next", place: "page {page} of {pages}",
    save: "Download with answers ({format})", saveTag: "Download guid,tag",
    wasLabel: "model: {label}",
    errors: {
      0: "The service cannot be reached.", 401: "A key is needed.", 408: "Sending took too long.",
      413: "That is too large.", 415: "That kind of file is not taken.", 422: "That cannot be used.",
      429: "The service is busy; try again in a moment.", 503: "That took too long.",
    },
    error: "That did not work.",
    labels: { negative: "negative", neutral: "neutral", positive: "positive" },
    status: {
      text_missing: "no text", text_empty: "empty text", text_truncated: "text cut",
      text_decoded_lossy: "text damaged", text_decoded_guess: "text's encoding guessed",
      text_not_understood: "text not understood", language_not_covered: "language not covered", image_missing: "no image",
      image_not_found: "image not found", image_not_fetched: "image not fetched", image_format_unknown: "kind of image unknown", image_unreadable: "image unreadable",
      image_truncated: "image cut off", image_too_large: "image too large", image_too_costly: "image too costly to decode", nothing_to_read: "nothing to read",
    },
  },
  zh: {
    subtitle: "判断图文帖子的情感倾向",
    model: "模型", api: "接口", language: "语言", tabOne: "单条帖子", tabMany: "批量帖子",
    image: "图片", text: "文字", drop: "把图片拖到这里、粘贴，或", choose: "选择图片",
    remove: "移除图片", removeAll: "移除全部图片", textHint: "输入或粘贴帖子的文字", go: "判断情感", clear: "清空",
    private: "您提供的内容不会离开本服务，也不会被保存。",
    working: "处理中……", nothing: "请提供图片、文字，或两者都给。",
    answer: "结果", byHand: "建议人工核对",
    byHandWhy: "模型的把握为 {confidence}；低于 {threshold} 时应由人来看。",
    byHandUnread: "无论把握看上去多大，模型都没有读懂这条内容。",
    said: "各部分怎么说", alone: "单独判断：{label}，{value}",
    moved: "使“{label}”变动 {points} 个百分点", start: "开始标注",
    absent: { text: "没有读到文字。", image: "没有读到图片。" },
    prior: "什么都没有时，模型会说：{values}。",
    words: "起作用的词", wordsLeft: "最后 {n} 个词没有计算。", wordsNone: "没有哪个词明显改变结果。",
    for: "支持“{label}”", against: "反对“{label}”",
    heat: "图片的哪些部分", heatFirst: "第一张图片的哪些部分", heatShow: "显示权重",
    heatAlt: "图片；最支持“{label}”的部分在 {size} 格中的第 {row} 行第 {column} 列。",
    file: "帖子文件", stop: "停止",
    fileHint: "每行一条帖子的表格（CSV、TSV、Excel）或 JSON；或者 zip：内含这样的表格和其中写明的图片，"
      + "或内含 train.txt 或 test_without_label.txt（guid,tag）和 data 文件夹。",
    columns: "列名（未能自动识别时填写）", columnsHint: "哪一列是文字、图片、编号；其余各列原样返回。",
    noFile: "请先选择文件。", badType: "需要 .csv、.tsv、.xlsx、.json、.jsonl 或 .zip 文件。",
    share: "{n} 条 · {share}", totals: "共 {total} 条；{review} 条需人工核对，{problems} 条内容有缺失",
    sharesCorrected: "计数会随模型的误差偏移。校正后，这类帖子中各类的占比（95 %）：",
    sharesCalibrated: "按模型的概率，这类帖子中各类的占比（95 %）：", shareOf: "{value}（{low} 至 {high}）",
    overTime: "随时间变化（列 {column}）", tooFew: "帖子太少",
    sending: "正在发送并读取 {name}……", progress: "已完成 {done} / {total} 条", done: "已标注 {total} 条",
    stopped: "已停止：完成 {done} / {total} 条",
    broken: "回答在第 {done} / {total} 条后中断。",
    show: "显示", sort: "排序", find: "查找", all: "全部", review: "需人工核对",
    corrected: "已更正", problems: "内容有缺失",
    sortOrder: "文件中的顺序", sortLow: "最没把握的在前", sortHigh: "最有把握的在前", sortLabel: "标签",
    count: "显示 {n} / {total} 条，已更正 {corrected} 条", post: "编号", label: "标签", confidence: "把握",
    labelOf: "帖子 {id} 的标签", before: "上一页", after: "下一页", place: "第 {page} / {pages} 页",
    save: "下载带结果的文件（{format}）", saveTag: "下载 guid,tag",
    wasLabel: "模型：{label}",
    errors: {
      0: "连接不上服务。", 401: "需要密钥。", 408: "发送时间过长。", 413: "内容过大。", 415: "不支持这种文件。",
      422: "无法使用这些内容。", 429: "服务繁忙，请稍后再试。", 503: "处理时间过长。",
    },
    error: "出错了。",
    labels: { negative: "消极", neutral: "中性", positive: "积极" },
    status: {
      text_missing: "无文字", text_empty: "文字为空", text_truncated: "文字被截断", text_decoded_lossy: "文字有损坏",
      text_decoded_guess: "文字编码为推测", text_not_understood: "看不懂文字", language_not_covered: "不支持的语言",
      image_not_found: "未找到图片", image_not_fetched: "未下载图片", image_format_unknown: "图片格式未知",
      image_missing: "无图片", image_unreadable: "图片无法读取", image_truncated: "图片不完整",
      image_too_large: "图片过大", image_too_costly: "图片解码开销过大", nothing_to_read: "没有可读内容",
    },
  },
};

const wanted = new URLSearchParams(location.search).get("lang") || (navigator.languages || [])[0] || "en";
let current = wanted.toLowerCase().startsWith("zh") ? "zh" : "en";

export function language() {
  return current;
}

// Further words for a page that shows more: by language, as above.
export function addWords(more) {
  Object.entries(more).forEach(([code, words]) => Object.assign(WORDS[code], words));
}

export function setLanguage(code) {
  current = code in WORDS ? code : "en";
}

export function t(key, values = {}) {
  const found = key.split(".").reduce((words, part) => words?.[part], WORDS[current]) ?? key.split(".").pop();
  return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function percent(value) {
  return `${(100 * value).toFixed(value > 0.995 && value < 1 ? 1 : 0)} %`;
}

export function labelName(label) {
  return t(`labels.${label}`);
}

export function applyWords(root) {
  root.querySelectorAll("[data-t]").forEach((element) => {
    element.textContent = t(element.dataset.t);
  });
  root.querySelectorAll("[data-t-placeholder]").forEach((element) => {
    element.placeholder = t(element.dataset.tPlaceholder);
  });
}

// A small maker of elements: text is always set as text, never as markup. `style` is an object of properties: the page's
// content security policy lets no style attribute through.
export function make(tag, { style = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  Object.entries(style).forEach(([name, value]) => element.style.setProperty(name, value));
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Say what went wrong: in the page's language what kind of thing, in the service's own words which.
export async function failure(response) {
  let detail = "";
  try {
    detail = (await response.json()).detail || "";
  } catch {
    detail = response.statusText;
  }
  const known = `errors.${response.status}`;
  const kind = t(known) === String(response.status) ? t("error") : t(known);
  return `${kind} ${detail}`;
}
