"""Raw octets in headers: how many made-up subjects of three words and more are read right."""

from __future__ import annotations

import random

import pytest

from ingest.mail.message import parse

RUSSIAN = """
счёт договор поставка заказ кирпич доски отгрузка склад оплата акт сверка прайс цена срок
доставка машина водитель возврат брак замена образец чертёж смета объект бригада встреча завтра
вчера срочно просьба уточнить прислать подтвердить новый старый большой зелёный июль август
вторник пятница директор бухгалтер юрист клиент письмо вопрос ответ ошибка адрес телефон реквизиты
предложение коммерческое запрос наличие остатки плитка цемент щебень фанера утеплитель жалоба
благодарность приглашение выставка конференция отпуск больничный график проверка подпись печать
доверенность накладная пропуск въезд ключи аренда помещение шкаф эскиз юбилей фото цех ещё эти
"""
CHINESE = """
报价 合同 发货 订单 发票 付款 样品 价格 交货 日期 确认 质量 检验 报告 会议 通知 明天 下午 上海 北京
客户 产品 目录 技术 资料 图纸 修改 版本 紧急 回复 感谢 合作 公司 地址 电话 变更 展会 邀请 运输 费用
海关 清单 木板 水泥 玻璃 钢材 数量 颜色 蓝色 型号 备货 退货 投诉 处理 方案 账户 银行 汇款 收据 节日
"""
JAPANESE = """
見積 請求書 納期 注文 確認 お願い 会議 資料 送付 ご連絡 変更 来週 木曜日 東京 大阪 担当者 契約 更新
サンプル カタログ 在庫 出荷 返品 クレーム 対応 ありがとう ございます 新製品 案内 展示会 ご招待
至急 支払 銀行 住所 電話番号 図面 修正 仕様 品質 検査 報告 お見積り について 製品 価格 年末 休業
"""
GERMAN = """
Angebot über größere Stückzahl Rückfrage Lieferung für März Übergabe schließen Grüße aus Köln
Prüfung Gerät Änderung Verträge bestätigt dürfen können Bücher Möbel Straße Höhe zwölf Tür
"""

#: The words, what joins them, and how the octets come.
SETS = {
    "windows-1251": (RUSSIAN, " ", "cp1251"),
    "koi8-r": (RUSSIAN, " ", "koi8-r"),
    "utf-8": (RUSSIAN + CHINESE + JAPANESE + GERMAN, " ", "utf-8"),
    "gb18030": (CHINESE, "", "gb18030"),
    "iso-2022-jp": (JAPANESE, "", "iso2022_jp"),
}
SAMPLES = 250
FLOOR = 0.98


def subjects(words: str, between: str) -> list[str]:
    """Return made-up subjects: three to seven words, some with capitals, numbers, Latin words."""
    chance = random.Random(8)
    made = []
    for _ in range(SAMPLES):
        chosen = chance.sample(words.split(), chance.randint(3, 7))
        shape = chance.random()
        if shape < 0.1:
            chosen = [word.upper() for word in chosen]
        elif shape < 0.8:
            chosen[0] = chosen[0].capitalize()
        text = between.join(chosen)
        text += chance.choice(
            ["", "", f" {chance.randint(2, 9999)}", "!", " (IKEA)", " 05.05.2024"]
        )
        made.append(chance.choice(["", "", "Re: ", "Fwd: "]) + text)
    return made


def read(subject: str, codec: str, declared: str | None) -> str:
    kind = f"text/plain; charset={declared}" if declared else "text/plain"
    head = f"From: a@client.example\r\nContent-Type: {kind}\r\nSubject: "
    return parse(head.encode() + subject.encode(codec) + b"\r\n\r\nSee above.\r\n").subject or ""


@pytest.mark.parametrize("declared", [True, False], ids=["the body names it", "nothing names it"])
@pytest.mark.parametrize("name", SETS)
def test_of_raw_subjects_nearly_all_are_read_right(name: str, declared: bool) -> None:
    words, between, codec = SETS[name]
    made = subjects(words, between)

    wrong = [it for it in made if read(it, codec, name if declared else None) != it]

    right = 1 - len(wrong) / len(made)
    assert right >= FLOOR, f"{right:.3f} of {len(made)}, not {wrong[:5]}"
