package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

class DemoFiguresTest {
    @Test
    void theJsonHasTheNamesThatScriptsRelyOn() throws Exception {
        DemoFigures figures = new DemoFigures(
                new DemoFigures.Recall(0.5, 0.75, 1),
                new DemoFigures.Recall(0.25, 0.5, 0.123456),
                new DemoFigures.Words(0.7, 0.6, 0.5, 0.1),
                new DemoFigures.Patches(0.4, 0.02),
                17.25,
                9.5,
                178,
                100);
        assertThat(figures.json())
                .isEqualTo(new ObjectMapper()
                        .readTree("{\"retrieval\":{\"t2i\":{\"r1\":0.5,\"r5\":0.75,\"r10\":1.0},"
                                + "\"i2t\":{\"r1\":0.25,\"r5\":0.5,\"r10\":0.1235}},"
                                + "\"words\":{\"precision\":0.7,\"object_precision\":0.6,\"object_recall\":0.5,"
                                + "\"filler_share\":0.1},\"patchdis\":{\"miou\":0.4,\"random\":0.02},"
                                + "\"active_words\":17.25,\"active_words_text\":9.5,\"vocabulary\":178}"));
    }
}
