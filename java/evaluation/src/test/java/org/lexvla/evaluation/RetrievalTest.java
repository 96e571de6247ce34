package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class RetrievalTest {
    @Test
    void equalScoresCountAgainstUsOnlyWhenAskedTo() {
        float[][] alike = new float[4][4];
        int[] owner = {0, 1, 2, 3};
        assertThat(Retrieval.of(alike, owner, Retrieval.Ties.STRICT)
                        .textToImage()
                        .recall(1))
                .isEqualTo(1);
        assertThat(Retrieval.of(alike, owner, Retrieval.Ties.WORST)
                        .textToImage()
                        .recall(1))
                .isZero();
        assertThat(Retrieval.of(alike, owner, Retrieval.Ties.STABLE)
                        .textToImage()
                        .ranks())
                .containsExactly(0, 1, 2, 3);
    }

    @Test
    void theTieRulesAreOrdered(RandomSource random) {
        int images = 1 + random.nextInt(12);
        int captions = 1 + random.nextInt(30);
        float[][] similarity = new float[images][captions];
        int[] owner = new int[captions];
        for (int c = 0; c < captions; c++) {
            owner[c] = random.nextInt(images);
            for (int i = 0; i < images; i++) {
                similarity[i][c] = random.nextInt(4) - 1;
            }
        }
        int[] strict = Retrieval.of(similarity, owner, Retrieval.Ties.STRICT)
                .textToImage()
                .ranks();
        int[] stable = Retrieval.of(similarity, owner, Retrieval.Ties.STABLE)
                .textToImage()
                .ranks();
        Retrieval.Direction worst =
                Retrieval.of(similarity, owner, Retrieval.Ties.WORST).textToImage();
        for (int c = 0; c < captions; c++) {
            assertThat(stable[c]).isBetween(strict[c], worst.ranks()[c]);
        }
        assertThat(worst.recall(images)).isEqualTo(1);
        assertThat(worst.recall(1)).isLessThanOrEqualTo(worst.recall(2));
    }

    @Test
    void imagesWithoutCaptionAreLeftOut() {
        float[][] similarity = {{1, 0}, {0, 0}, {0, 1}};
        Retrieval retrieval = Retrieval.of(similarity, new int[] {0, 2}, Retrieval.Ties.WORST);
        assertThat(retrieval.imageToText().ranks()).containsExactly(0, 0);
    }

    @Test
    void theIntervalIsAsWideAsTheBinomialAndWiderForCaptionsThatGoTogether(RandomSource random) {
        int images = 1500;
        int captions = 5;
        double[][] similarity = new double[images][images * captions];
        int[] owner = new int[images * captions];
        for (int image = 0; image < images; image++) {
            // A picture is found by all of its captions, or by none.
            boolean found = random.nextInt(10) < 3;
            for (int c = 0; c < captions; c++) {
                owner[image * captions + c] = image;
                similarity[image][image * captions + c] = found ? 1 : -1;
            }
        }
        Retrieval retrieval = Retrieval.of(similarity, owner, Retrieval.Ties.WORST);
        Retrieval.Bootstrap bootstrap = new Retrieval.Bootstrap(1000, 0.95, random.nextLong());
        for (Retrieval.Direction direction : List.of(retrieval.imageToText(), retrieval.textToImage())) {
            double recall = direction.recall(1);
            Retrieval.Interval interval = direction.interval(1, bootstrap);
            double width = 2 * 1.96 * Math.sqrt(recall * (1 - recall) / images);
            assertThat(interval.low()).isLessThan(recall);
            assertThat(interval.high()).isGreaterThan(recall);
            // 1000 draws place each end to within a tenth of the standard error, four times out of five.
            assertThat(interval.high() - interval.low()).isBetween(0.8 * width, 1.2 * width);
            assertThat(direction.interval(1, bootstrap)).isEqualTo(interval);
            assertThat(direction.interval(images * captions, bootstrap)).isEqualTo(new Retrieval.Interval(1, 1));
        }
    }

    @Test
    void anIntervalOfNothingIsNone() {
        Retrieval none = Retrieval.of(new float[0][0], new int[0], Retrieval.Ties.WORST);
        assertThat(none.textToImage()
                        .interval(1, new Retrieval.Bootstrap(10, 0.9, 1))
                        .low())
                .isNaN();
        assertThatThrownBy(() -> new Retrieval.Bootstrap(0, 0.9, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0 samples");
        assertThatThrownBy(() -> new Retrieval.Bootstrap(10, 1, 1)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void badInputIsNamed() {
        assertThatThrownBy(() -> Retrieval.of(new float[2][3], new int[] {0, 1}, Retrieval.Ties.WORST))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("3 captions");
        assertThatThrownBy(() -> Retrieval.of(new float[2][1], new int[] {2}, Retrieval.Ties.WORST))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("image 2");
        assertThatThrownBy(() -> Retrieval.of(new float[][] {{Float.NaN}}, new int[] {0}, Retrieval.Ties.WORST))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NaN");
        assertThatThrownBy(() -> Retrieval.of(new float[][] {{1}}, new int[] {0}, Retrieval.Ties.WORST)
                        .textToImage()
                        .recall(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least 1");
    }
}
