package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ScheduleTest {
    @Test
    void learningRateRisesThenFallsAsACosine() {
        Schedule schedule = new Schedule(1100, 100, 0);
        assertThat(schedule.learningRate(0)).isEqualTo(0.01);
        assertThat(schedule.learningRate(49)).isEqualTo(0.5);
        assertThat(schedule.learningRate(99)).isEqualTo(1);
        assertThat(schedule.learningRate(100)).isEqualTo(1);
        assertThat(schedule.learningRate(600)).isCloseTo(0.5, within(1e-12));
        assertThat(schedule.learningRate(1100)).isCloseTo(0, within(1e-12));
        for (int step = 101; step < 1100; step++) {
            assertThat(schedule.learningRate(step)).isLessThan(schedule.learningRate(step - 1));
        }
    }

    @Test
    void penaltyRisesAsASquare() {
        Schedule schedule = new Schedule(5000, 0, 2000);
        assertThat(schedule.penalty(0)).isZero();
        assertThat(schedule.penalty(1000)).isEqualTo(0.25);
        assertThat(schedule.penalty(2000)).isEqualTo(1);
        assertThat(schedule.penalty(4999)).isEqualTo(1);
        assertThat(new Schedule(10, 0, 0).penalty(0)).isEqualTo(1);
    }

    @Test
    void warmUpLongerThanTheRunNeverReachesTheTop() {
        Schedule schedule = new Schedule(10, 100, 0);
        assertThat(schedule.learningRate(9)).isEqualTo(0.1);
    }
}
