// The words of the review page, in both languages.
import { addWords, t as translated } from "/page/words.js";

addWords({
  en: { rv: {
    labelling: "Labelling as", yourLabel: "Your label", earlier: "Earlier", later: "Later", skip: "Skip", undo: "Undo", note: "Note",
    noteHint: "Enter keeps it, Esc goes back", modelSays: "What the model says", done: "{done} of {total} labelled", skipped: "{n} skipped",
    placeOf: "{place} of {total}", yours: "your label: {label}", yoursSkip: "you skipped this one",
    withheld: "Drawn at random to test the model: what it says is shown once you have given your label, so that it cannot lead you.",
    thinking: "Looking at why …", noReasons: "Why is not known: the model that gave these answers was not named (--bundle).",
    others: "What people said", noImage: "An image cannot be shown.", noText: "There is no text.",
    imageAlt: "Image {n} of {total} of the post",
    accuracy: "On your posts: accuracy {value} ({low} to {high}, from {n} drawn at random); about {needed} more would halve that interval.",
    accuracyLater: "On your posts: accuracy not known yet; it is told from the {random} drawn at random, of which {n} have a label.",
    accuracyNever: "On your posts: accuracy not known, as no post is drawn at random.",
    alpha: "Agreement on {n} posts: Krippendorff's alpha {value}.", differing: "People differ on {n}.",
    finished: "All is done.", finishedSkipped: "Skipped: {n}. Going back shows them again.",
    nothingHere: "People do not differ on any post.",
    export: "Ctrl-C in the terminal ends; with --export labels.csv moodfuse review writes the labels as a table.",
    noKey: "Open the address that moodfuse review has printed, whole: it ends in #key=…", undone: "Nothing to undo.",
    stopped: "moodfuse review has ended, or cannot be reached. What you labelled before is kept; this key was not.",
  } },
  zh: { rv: {
    labelling: "标注者", yourLabel: "您的标签", earlier: "上一条", later: "下一条", skip: "跳过", undo: "撤销", note: "备注",
    noteHint: "按 Enter 保存，按 Esc 返回", modelSays: "模型的判断", done: "已标注 {done} / {total} 条", skipped: "跳过 {n} 条",
    placeOf: "第 {place} / {total} 条", yours: "您的标签：{label}", yoursSkip: "您跳过了这一条",
    withheld: "这一条是随机抽取、用来检验模型的：在您标注之前不显示模型的判断，以免影响您。",
    thinking: "正在计算原因……", noReasons: "不知道原因：没有指明是哪个模型给出的结果（--bundle）。",
    others: "各人的标签", noImage: "有图片无法显示。", noText: "没有文字。",
    imageAlt: "帖子的第 {n} / {total} 张图片",
    accuracy: "在您的帖子上：准确率 {value}（{low} 至 {high}，依据 {n} 条随机抽取的帖子）；再标约 {needed} 条随机帖子，区间可缩小一半。",
    accuracyLater: "在您的帖子上：准确率尚不知道；它由 {random} 条随机抽取的帖子得出，其中 {n} 条已有标签。",
    accuracyNever: "在您的帖子上：准确率不知道，因为没有随机抽取的帖子。",
    alpha: "{n} 条帖子上的一致性：Krippendorff α = {value}。", differing: "有 {n} 条意见不一。",
    finished: "已全部完成。", finishedSkipped: "其中跳过 {n} 条：返回可再次查看。",
    nothingHere: "没有意见不一的帖子。",
    export: "在终端按 Ctrl-C 结束；moodfuse review 加 --export labels.csv 可把标签写成表格。",
    noKey: "请打开 moodfuse review 打印出的完整地址：它以 #key=… 结尾", undone: "没有可撤销的操作。",
    stopped: "moodfuse review 已结束或无法连接。之前的标注都已保存，这一次按键没有保存。",
  } },
});

export const t = (key, values) => translated(`rv.${key}`, values);
